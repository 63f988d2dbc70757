/** What this machine has: Node, the key, ffmpeg. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Settings } from '../../config/settings.js';
import { findFfmpeg } from '../../worker/ffmpeg-binaries.js';
import { sentence } from '../failures.js';
import { type Check, ok, warn } from './check.js';

export async function* checkMachine(settings: Settings): AsyncGenerator<Check> {
  yield ok('node', process.version);
  yield settings.master_api_key === undefined
    ? warn(
        'key',
        'MASTER_API_KEY is not set',
        'set it to 16 characters or more before `serve`; `up` makes its own',
      )
    : ok('key', 'MASTER_API_KEY is set');
  yield* checkFfmpeg(settings.worker.ffmpeg_path);
}

/** Only workers need it, so its absence is no fault of a master's machine. */
async function* checkFfmpeg(configured: string | undefined): AsyncGenerator<Check> {
  const mend =
    'install ffmpeg, or set worker.ffmpeg_path (FFMPEG_PATH); a machine that runs no worker needs none';
  try {
    const { ffmpeg, ffprobe } = await findFfmpeg(configured);
    for (const [name, path] of [
      ['ffmpeg', ffmpeg],
      ['ffprobe', ffprobe],
    ] as const) {
      yield ok(name, `${await versionOf(path)} at ${path}`);
    }
  } catch (error) {
    yield warn('ffmpeg', sentence(error), mend);
  }
}

async function versionOf(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ['-version'], { timeout: 10_000 });
  return /^\S+ version (\S+)/.exec(stdout)?.[1] ?? 'of an unknown version';
}
