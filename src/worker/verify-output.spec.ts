import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ResultStream } from '../protocol/report.js';
import { expectedLength, generatedLength } from './expected-length.js';
import { findFfmpeg } from './ffmpeg-binaries.js';
import { type Media, probeMedia } from './media-probe.js';
import { verifyOutput } from './verify-output.js';

const { ffmpeg, ffprobe } = await findFfmpeg();
const signal = new AbortController().signal;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'verify-output-'));
  for (const name of ['film.mkv', 'film.mp4']) make(name, 120);
  for (const seconds of [117.8, 119]) make(`${seconds}.mp4`, seconds);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an output of a film of 120 s', { timeout: 60_000 }, () => {
  it.each(['film.mkv', 'film.mp4'])('of %s is whole within parts of a second', async (source) => {
    expect(await verify('119.mp4', source)).toMatchObject({ output: 'out.mp4', duration_seconds: 119 });
  });

  it.each(['film.mkv', 'film.mp4'])('of %s is refused where 2.2 s are missing', async (source) => {
    await expect(verify('117.8.mp4', source)).rejects.toThrow(
      /the output lasts 117\.80 s, its source 120\.\d\d s: a part is missing/,
    );
  });
});

describe('the least that an output must last', () => {
  const film = (parts: Partial<Media> = {}): Media => ({
    format: 'mov',
    durationSeconds: 7200,
    streams: [stream('video', 7200), stream('audio', 7200)],
    ...parts,
  });
  const least = (media: Media, asked?: number) => expectedLength(media, asked)?.leastSeconds;

  it('is 1.5 s below a long film, half a second below a short clip', () => {
    expect(least(film())).toBe(7198.5);
    expect(least(film(), 10)).toBe(9.5);
    expect(least(film(), 9_000)).toBe(7198.5);
    expect(generatedLength(600).leastSeconds).toBe(598.5);
  });

  it('is a share of what was only estimated, and nothing where nobody knows', () => {
    expect(least(film({ format: 'mpeg' }))).toBe(7056);
    expect(expectedLength({ format: 'h264', streams: [stream('video')] }, 10)).toBeUndefined();
  });

  it('follows the streams that are transcoded, not a subtitle that outlasts them', () => {
    const streams = [
      stream('attachment'),
      stream('video', 7000),
      stream('audio', 7001),
      stream('audio', 7200),
    ];
    expect(least(film({ streams }))).toBe(6999.5);
    expect(least(film({ streams: [stream('video'), stream('audio'), stream('subtitle')] }))).toBe(7056);
    expect(least(film({ streams: [stream('video'), stream('audio')] }))).toBe(7198.5);
  });
});

function stream(type: string, seconds?: number): ResultStream {
  return { type, codec: 'any', ...(seconds !== undefined && { duration_seconds: seconds }) };
}

async function verify(output: string, source: string): Promise<unknown> {
  const probe = await probeMedia(ffprobe, join(folder, source), signal);
  if ('complaint' in probe) throw new Error(probe.complaint);
  const length = expectedLength(probe.media, undefined);
  if (length === undefined) throw new Error(`${source} has no length`);
  return verifyOutput({
    ffprobe,
    path: join(folder, output),
    name: 'out.mp4',
    family: 'h264',
    length,
    signal,
  });
}

function make(name: string, seconds: number): void {
  execFileSync(ffmpeg, [
    ...['-v', 'error', '-f', 'lavfi', '-i', `color=size=64x64:rate=10:duration=${seconds}`],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', join(folder, name)],
  ]);
}
