/** Looks at what ffmpeg made before anybody is told that it is done: a status of 0 is not yet a film. */

import { stat } from 'node:fs/promises';
import type { JobResult } from '../protocol/report.js';
import { AttemptFailure } from './attempt-failure.js';
import type { ExpectedLength } from './expected-length.js';
import { probeMedia } from './media-probe.js';

export interface Expectation {
  ffprobe: string;
  path: string;
  name: string;
  /** The codec of the video stream, as ffprobe calls it. */
  family: string;
  length?: ExpectedLength;
  maxOutputBytes?: number;
  signal: AbortSignal;
}

export async function verifyOutput(expected: Expectation): Promise<JobResult> {
  const size = (await stat(expected.path).catch(() => null))?.size ?? 0;
  if (size === 0) throw new AttemptFailure('runtime_error', 'ffmpeg ended well but wrote no output');
  const probe = await probeMedia(expected.ffprobe, expected.path, expected.signal);
  if ('complaint' in probe)
    throw new AttemptFailure('runtime_error', `the output cannot be read: ${probe.complaint}`);
  const { durationSeconds, streams } = probe.media;
  const video = streams.find(({ type }) => type === 'video');
  if (video?.codec !== expected.family) {
    throw new AttemptFailure(
      'runtime_error',
      `the output holds ${video?.codec ?? 'no'} video, not ${expected.family}`,
    );
  }
  if (durationSeconds === undefined || durationSeconds === 0) {
    throw new AttemptFailure('runtime_error', 'the output is empty: it has no duration');
  }
  if (expected.length && durationSeconds < expected.length.leastSeconds) {
    refuseLength(durationSeconds, size, expected.length, expected.maxOutputBytes);
  }
  return { output: expected.name, size_bytes: size, duration_seconds: durationSeconds, streams };
}

function refuseLength(
  seconds: number,
  size: number,
  expected: ExpectedLength,
  maxOutputBytes: number | undefined,
): never {
  // ffmpeg stops in good order at -fs, within one packet of it.
  if (maxOutputBytes !== undefined && size > maxOutputBytes * 0.9) {
    throw new AttemptFailure(
      'resource_error',
      `the output reached resource_limits.max_disk_mb (${maxOutputBytes / 1024 / 1024})`,
    );
  }
  throw new AttemptFailure(
    'runtime_error',
    `the output lasts ${seconds.toFixed(2)} s, its source ${expected.seconds.toFixed(2)} s: a part is missing`,
  );
}
