/** A job's input: a regular file below one of the operator's input roots, of a format that names no other file. */

import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { AttemptFailure, cannotHonour } from './attempt-failure.js';
import { probeMedia, type Media } from './media-probe.js';

export interface InputFile {
  /** With all symbolic links resolved. */
  path: string;
  media: Media;
}

export async function openInput(
  input: string,
  options: { inputRoots: readonly string[]; ffprobe: string; signal: AbortSignal },
): Promise<InputFile> {
  const path = await locate(input, options.inputRoots);
  const probe = await probeMedia(options.ffprobe, path, options.signal);
  if ('complaint' in probe) throw new AttemptFailure('input_error', describe(input, probe.complaint));
  if (!probe.media.streams.some(({ type }) => type === 'video')) {
    throw new AttemptFailure('input_error', `the input ${input} has no video`);
  }
  return { path, media: probe.media };
}

async function locate(input: string, roots: readonly string[]): Promise<string> {
  if (/^[a-z][a-z0-9+.-]*:/i.test(input)) {
    throw cannotHonour(
      'input',
      `this worker reads local files only (${allowed(roots)}); it does not fetch ${input}`,
    );
  }
  if (roots.length === 0) {
    throw cannotHonour(
      'input',
      'this worker reads no files: its operator would have to list folders in worker.input_roots',
    );
  }
  // Checked by name first, so that a job cannot learn which files exist outside the roots.
  const candidates = roots
    .map((root) => ({
      root: resolve(root),
      path: isAbsolute(input) ? resolve(input) : resolve(join(root, input)),
    }))
    .filter(({ root, path }) => isBelow(path, root));
  if (candidates.length === 0) throw cannotHonour('input', `${input} is outside of ${allowed(roots)}`);
  for (const { root, path } of candidates) {
    const [real, realRoot] = await Promise.all([realpathOrNull(path), realpathOrNull(root)]);
    if (real === null || realRoot === null) continue;
    if (!isBelow(real, realRoot)) throw cannotHonour('input', `${input} leads outside of ${allowed(roots)}`);
    // A pipe or a device would never end, or never begin.
    if (!(await stat(real)).isFile())
      throw new AttemptFailure('input_error', `the input ${input} is not a regular file`);
    return real;
  }
  throw new AttemptFailure('input_error', `the input ${input} does not exist`);
}

async function realpathOrNull(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new AttemptFailure('input_error', `${path} cannot be read: ${(error as Error).message}`);
  }
}

function isBelow(path: string, root: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}

function allowed(roots: readonly string[]): string {
  return roots.length === 0 ? 'none are allowed' : `below ${roots.join(', ')}`;
}

function describe(input: string, complaint: string): string {
  if (/not on whitelist|not in allow/i.test(complaint)) {
    return `the input ${input} is a playlist or another format that names further files; those are refused`;
  }
  const last = complaint.split('\n').at(-1) ?? '';
  return `the input ${input} cannot be read as media: ${last.replace(/^file:.*?: /, '')}`;
}
