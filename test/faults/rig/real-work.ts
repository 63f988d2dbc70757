/** What real workers do, seen from outside: their ffmpeg processes, attempt folders, outputs and words. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { findFfmpeg } from '../../../src/worker/ffmpeg-binaries.js';
import type { Program } from '../../e2e/support/program.js';
import { eventually } from '../../support/eventually.js';

/** A job of a generated clip; 60 s of it are two seconds of one core. */
export function clip(output: string, seconds: number, more: object = {}): object {
  const parameters = { resolution: '320x180', fps: 15, preset: 'ultrafast', threads: 1, duration: seconds };
  return { scenario: 'a real clip', parameters: { ...parameters, output }, ...more };
}

/** Lasts until somebody ends it. */
export const ENDLESS = 36_000;

/** The ffmpeg processes that encode a job; more than one where two attempts run. */
export function ffmpegsOf(jobId: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [program = '', ...args] = textOf(`/proc/${pid}/cmdline`).split('\0');
      return program.endsWith('ffmpeg') && args.some((each) => each.includes(jobId));
    })
    .map(Number)
    .filter(isAlive);
}

/** One letter of /proc: R, S, T …; undefined where there is no such process. */
export function stateOf(pid: number): string | undefined {
  const line = textOf(`/proc/${pid}/stat`);
  return line === '' ? undefined : line[line.lastIndexOf(')') + 2];
}

/** A zombie that nobody waits for has ended, too. */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid);
  return state !== undefined && state !== 'Z';
}

/** Stops the ffmpeg of a job in the middle of its work, as soon as there is one: it lasts until a test is ready. */
export async function freeze(jobId: string, within = 60_000): Promise<number> {
  const pid = await eventually(
    () => {
      const [found] = ffmpegsOf(jobId);
      if (found === undefined) throw new Error(`no ffmpeg encodes ${jobId}`);
      process.kill(found, 'SIGSTOP');
      return found;
    },
    { within, every: 5 },
  );
  await eventually(() => expect(stateOf(pid)).toBe('T'));
  return pid;
}

/** `<job>-<token>` of each attempt that left a folder below an output directory. */
export function attemptFolders(outputDir: string): string[] {
  const attempts = join(outputDir, '.attempts');
  return namesIn(attempts)
    .flatMap((instance) => namesIn(join(attempts, instance)))
    .filter((name) => !name.startsWith('owner.json'))
    .sort();
}

/** Whether a file lies in the folder of an attempt. */
export function attemptHolds(outputDir: string, attempt: string, file: string): boolean {
  const attempts = join(outputDir, '.attempts');
  return namesIn(attempts).some((instance) => namesIn(join(attempts, instance, attempt)).includes(file));
}

/** What was published below an output directory, with the number of the file: another one is another file. */
export function published(outputDir: string): Map<string, number> {
  const files = namesIn(outputDir).filter((name) => name !== '.attempts');
  return new Map(files.map((name) => [name, statSync(join(outputDir, name)).ino]));
}

/** Seconds that a media file lasts; throws where ffprobe finds fault with it. */
export async function secondsOf(file: string): Promise<number> {
  const { ffprobe } = await findFfmpeg();
  const asked = ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', file];
  const { stdout, stderr } = await promisify(execFile)(ffprobe, asked);
  expect(stderr).toBe('');
  return Number(stdout.trim());
}

/** The lines that a worker logged with this message. */
export function said(program: Program, msg: string): Record<string, unknown>[] {
  return program.output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.msg === msg || line.message === msg);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Empty where the file is gone: processes end while they are looked at. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
