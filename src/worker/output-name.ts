/** Where a job's result shall appear: a logical name below the output directory, and the container it implies. */

import { cannotHonour } from './attempt-failure.js';

export interface OutputName {
  /** With `/` between its parts, whatever the machine. */
  name: string;
  container: Container;
}

export interface Container {
  /** ffmpeg's muxer. */
  muxer: string;
  /** Codecs, as ffprobe calls them, that players of this container read. */
  video: readonly string[];
  audio: readonly string[];
}

const ISO = { video: ['h264', 'hevc', 'av1', 'vp9'], audio: ['aac', 'mp3', 'opus', 'flac', 'copy', 'none'] };

const CONTAINERS: Readonly<Record<string, Container>> = {
  mp4: { muxer: 'mp4', ...ISO },
  m4v: { muxer: 'mp4', ...ISO },
  mov: { muxer: 'mov', video: ['h264', 'hevc'], audio: ['aac', 'mp3', 'copy', 'none'] },
  mkv: { muxer: 'matroska', video: ['h264', 'hevc', 'vp8', 'vp9', 'av1'], audio: ISO.audio },
  webm: { muxer: 'webm', video: ['vp8', 'vp9', 'av1'], audio: ['opus', 'copy', 'none'] },
  ts: { muxer: 'mpegts', video: ['h264', 'hevc'], audio: ['aac', 'mp3', 'copy', 'none'] },
  flv: { muxer: 'flv', video: ['h264'], audio: ['aac', 'mp3', 'copy', 'none'] },
};

export const FLV = CONTAINERS.flv as Container;

/**
 * @throws AttemptFailure (user_error) for a name that could leave the directory or that other files of
 * the worker live under: hidden parts are refused because `.attempts` is one.
 */
export function parseOutputName(output: string): OutputName {
  const parts = output.split('/');
  const bad = parts.some(
    (part) => part === '' || part.startsWith('.') || part.includes('\\') || isTooLong(part),
  );
  if (bad) {
    throw cannotHonour(
      'output',
      `${JSON.stringify(output)} must be a name such as shows/clip.mp4, below the worker's output directory: relative, without "..", hidden or empty parts`,
    );
  }
  const extension = /\.([A-Za-z0-9]+)$/.exec(output)?.[1]?.toLowerCase() ?? '';
  const container = Object.hasOwn(CONTAINERS, extension) ? CONTAINERS[extension] : undefined;
  if (!container) {
    throw cannotHonour(
      'output',
      `${JSON.stringify(output)} must end in one of .${Object.keys(CONTAINERS).join(' .')}`,
    );
  }
  return { name: output, container };
}

/** Linux and macOS take 255 bytes a part. */
function isTooLong(part: string): boolean {
  return Buffer.byteLength(part) > 255;
}
