/**
 * Which encoders really work here. `ffmpeg -encoders` lists what was compiled in: an encoder for a card
 * that the machine does not have among it. So each candidate encodes one generated frame. Software
 * trials are remembered by the binary's path, time and size (1.0 s saved on two cores, libaom alone
 * taking 0.8 s); devices come and go, so theirs are run at every start.
 */

import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { ENCODERS } from '../protocol/video-codecs.js';
import { runProgram } from './run-program.js';

const TRIAL_TIMEOUT_MS = 15_000;

/** @throws the signal's reason, once every trial that ran has been killed */
export async function provenEncoders(
  ffmpeg: string,
  workDir: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const listed = await listedEncoders(ffmpeg, signal);
  const candidates = Object.keys(ENCODERS).filter((name) => listed.has(name));
  const software = candidates.filter((name) => !ENCODERS[name]?.hardware);
  const hardware = candidates.filter((name) => ENCODERS[name]?.hardware);
  const tried = await Promise.allSettled([
    remembered(ffmpeg, workDir, () => trial(ffmpeg, software, signal)),
    trial(ffmpeg, hardware, signal),
  ]);
  return tried.flatMap((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

async function listedEncoders(ffmpeg: string, signal?: AbortSignal): Promise<Set<string>> {
  const { code, stdout, stderr } = await runProgram(ffmpeg, ['-hide_banner', '-encoders'], {
    ...(signal && { signal }),
  });
  if (code !== 0) throw new Error(`${ffmpeg} cannot list its encoders: ${stderr.trim().slice(-500)}`);
  return new Set([...stdout.matchAll(/^ [VAS.][FSXBD.]{5} (\S+)/gm)].map(([, name]) => name ?? ''));
}

async function trial(ffmpeg: string, names: string[], signal?: AbortSignal): Promise<string[]> {
  const options = { timeoutMs: TRIAL_TIMEOUT_MS, ...(signal && { signal }) };
  const outcomes = await Promise.allSettled(
    names.map((name) => runProgram(ffmpeg, trialCommand(name), options)),
  );
  signal?.throwIfAborted();
  return names.filter((_, index) => {
    const outcome = outcomes[index];
    return outcome?.status === 'fulfilled' && outcome.value.code === 0;
  });
}

/** 256 pixels: NVENC refuses frames smaller than 145 by 49. */
function trialCommand(encoder: string): string[] {
  const vaapi = encoder.endsWith('_vaapi');
  return [
    ...['-nostdin', '-hide_banner', '-v', 'error'],
    ...(vaapi ? ['-vaapi_device', '/dev/dri/renderD128'] : []),
    ...['-f', 'lavfi', '-i', 'testsrc2=size=256x256:rate=10', '-frames:v', '1'],
    ...(vaapi ? ['-vf', 'format=nv12,hwupload'] : ['-pix_fmt', 'yuv420p']),
    ...['-c:v', encoder],
    ...(encoder === 'libaom-av1' ? ['-cpu-used', '8', '-strict', 'experimental'] : []),
    ...['-f', 'null', '-'],
  ];
}

async function remembered(ffmpeg: string, workDir: string, find: () => Promise<string[]>): Promise<string[]> {
  const { mtimeMs, size } = await stat(ffmpeg);
  const key = `${ffmpeg} ${mtimeMs} ${size}`;
  const file = join(workDir, 'encoders.json');
  try {
    const saved = JSON.parse(await readFile(file, 'utf8')) as { key?: string; encoders?: string[] };
    if (saved.key === key && Array.isArray(saved.encoders)) return saved.encoders;
  } catch {
    // No memory, or a spoilt one: try again.
  }
  const encoders = await find();
  // Several workers may share the folder: the rename keeps each from reading half of another's file.
  await mkdir(workDir, { recursive: true });
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify({ key, encoders }));
  await rename(draft, file);
  return encoders;
}
