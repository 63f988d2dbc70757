/** What a local cluster transcodes: files that a person named, or a generated clip; and how the results are called. */
import { realpath } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { isPlainText } from '../../protocol/plain-text.js';
import type { SubmitJob } from '../../protocol/submit-job.js';
import { STARTED_BY_UP } from './local-cluster.js';

export interface Clip {
  /** As the person wrote it. */
  readonly file: string;
  /** Absolute, without symbolic links; absent for the generated clip. */
  readonly input?: string;
  /** Name below the output directory. */
  readonly output: string;
  /** Why it cannot even be submitted. */
  readonly complaint?: string;
}

/** Ten seconds are enough to see a bar move and few enough to wait for. */
const GENERATED_SECONDS = 10;

export const GENERATED_CLIP: Clip = { file: '(generated clip)', output: 'welcome.mp4' };

/** Nothing that exists is written over: neither results of an earlier run nor an input that lies among them. */
export async function clipsOf(files: readonly string[], outputDir: string): Promise<Clip[]> {
  const taken = new Set<string>();
  const clips: Clip[] = [];
  for (const file of files) {
    const input = await realPath(file);
    const output = freeName(
      outputName(input),
      (name) => taken.has(name) || existsSync(join(outputDir, name)),
    );
    taken.add(output);
    const complaint = isPlainText(input, 4096) ? undefined : 'its name holds control characters: rename it';
    clips.push({ file, input, output, ...(complaint !== undefined && { complaint }) });
  }
  return clips;
}

/** The folders that workers must be able to read, and no others. */
export function inputRoots(clips: readonly Clip[]): string[] {
  return [...new Set(clips.flatMap(({ input }) => (input === undefined ? [] : [dirname(input)])))];
}

export function submissionOf({ input, output }: Clip): SubmitJob {
  const requirements = { labels: { ...STARTED_BY_UP } };
  return input === undefined
    ? {
        scenario: '720p30-h264',
        parameters: { duration: GENERATED_SECONDS, output },
        requirements,
        priority: 'high',
      }
    : { scenario: 'h264', parameters: { input, output, codec: 'h264' }, requirements, priority: 'high' };
}

/** Of a missing file: what it would be. */
async function realPath(file: string): Promise<string> {
  const path = resolve(file);
  return realpath(path).catch(async () =>
    join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path)),
  );
}

/** The worker refuses names that are hidden or hold a backslash, and the API those that begin with a dash. */
export function outputName(input: string): string {
  const base = basename(input, extname(input))
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u001f\u007f\\]/g, '_')
    .replace(/^[.-]+/, '');
  return `${shortened(base || 'clip')}.mp4`;
}

/** File systems take 255 bytes; what is left is for `-2` and the extension. */
function shortened(base: string): string {
  let short = base;
  while (Buffer.byteLength(short) > 240) short = [...short].slice(0, -1).join('');
  return short;
}

function freeName(name: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(name)) return name;
  const base = basename(name, '.mp4');
  for (let number = 2; ; number += 1) {
    const next = `${base}-${number}.mp4`;
    if (!isTaken(next)) return next;
  }
}
