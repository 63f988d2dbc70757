/** Where ffmpeg and ffprobe are: told by the operator, on PATH, or in the packages used for development. */

import { dirname, join } from 'node:path';
import { findOnPath, isExecutable } from './find-program.js';

export interface FfmpegBinaries {
  ffmpeg: string;
  ffprobe: string;
}

/** @throws Error telling what to install or set, where one of the two is missing. */
export async function findFfmpeg(configured?: string): Promise<FfmpegBinaries> {
  const told = configured ?? process.env.FFMPEG_PATH;
  if (told && !(await isExecutable(told))) {
    throw new Error(`worker.ffmpeg_path: ${told} is not an executable file; give the path of ffmpeg itself`);
  }
  const ffmpeg = told || (await findOnPath('ffmpeg')) || (await packaged('@ffmpeg-installer/ffmpeg'));
  if (!ffmpeg) {
    throw new Error(
      'ffmpeg was not found: install it, put it on PATH, or set worker.ffmpeg_path (FFMPEG_PATH)',
    );
  }
  const ffprobe =
    (await executable(process.env.FFPROBE_PATH)) ??
    (await executable(join(dirname(ffmpeg), 'ffprobe'))) ??
    (await findOnPath('ffprobe')) ??
    (await packaged('@ffprobe-installer/ffprobe'));
  if (!ffprobe) {
    throw new Error(`ffprobe was not found: put it beside ${ffmpeg} or on PATH, or set FFPROBE_PATH`);
  }
  return { ffmpeg, ffprobe };
}

async function executable(path: string | undefined): Promise<string | undefined> {
  return path && (await isExecutable(path)) ? path : undefined;
}

/** The installer packages are for development only, so the program must do without them. */
async function packaged(name: string): Promise<string | undefined> {
  try {
    const loaded = (await import(name)) as { path?: string; default?: { path?: string } };
    return await executable(loaded.path ?? loaded.default?.path);
  } catch {
    return undefined;
  }
}
