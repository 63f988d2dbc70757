import { execFile } from 'node:child_process';
import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FfmpegBinaries, findFfmpeg } from '../../src/worker/ffmpeg-binaries.js';
import { type UpFolder, upFolder } from './local-up.js';

const run = promisify(execFile);

let folder: UpFolder;
let tools: FfmpegBinaries;
let media: string;

beforeAll(async () => {
  folder = await upFolder();
  tools = await findFfmpeg();
  media = join(folder.path, 'media, of a person');
  await mkdir(media);
  await make(join(media, 'FILE.mp4'), 3, ['-c:v', 'libx264', '-preset', 'ultrafast', '-c:a', 'aac']);
  await make(join(media, 'OTHER.mkv'), 2.5, ['-c:v', 'mpeg4', '-c:a', 'flac']);
  await writeFile(join(media, 'broken.mp4'), 'this is no film');
});
afterAll(async () => folder?.remove());

async function make(path: string, seconds: number, codecs: string[]): Promise<void> {
  const video = ['-f', 'lavfi', '-i', `testsrc2=size=320x240:rate=25:duration=${seconds}`];
  const audio = ['-f', 'lavfi', '-i', `sine=frequency=440:duration=${seconds}`];
  await run(tools.ffmpeg, ['-v', 'error', ...video, ...audio, '-pix_fmt', 'yuv420p', ...codecs, path]);
}

interface Probe {
  readonly seconds: number;
  readonly video: { codec_name: string; width: number; height: number };
}

async function probe(path: string): Promise<Probe> {
  const { stdout } = await run(tools.ffprobe, [
    '-v',
    'error',
    '-of',
    'json',
    '-show_format',
    '-show_streams',
    path,
  ]);
  const { format, streams } = JSON.parse(stdout);
  return {
    seconds: Number(format.duration),
    video: streams.find((stream: { codec_type: string }) => stream.codec_type === 'video'),
  };
}

function once(...args: string[]) {
  return folder.run(['up', '--once', '--port', String(folder.port), ...args]);
}

describe('up --once', () => {
  it('turns real files into H.264 that ffprobe confirms, prints a table, exits 0 and leaves no process', async () => {
    const process = once('--output-dir', 'results', 'media, of a person/FILE.mp4', join(media, 'OTHER.mkv'));
    expect([await process.ended, process.errors()]).toEqual([0, '']);
    expect((await readdir(join(folder.path, 'results'))).sort()).toEqual(['FILE.mp4', 'OTHER.mp4']);

    for (const [name, source] of [
      ['FILE.mp4', 'FILE.mp4'],
      ['OTHER.mp4', 'OTHER.mkv'],
    ] as const) {
      const result = await probe(join(folder.path, 'results', name));
      const original = await probe(join(media, source));
      expect(result.video).toMatchObject({ codec_name: 'h264', width: 320, height: 240 });
      expect(Math.abs(result.seconds - original.seconds)).toBeLessThanOrEqual(0.1);
      expect(process.output()).toMatch(new RegExp(`${source}\\s+completed\\s+h264\\s.*results/${name}`));
    }
    expect(process.output()).toMatch(/^FILE +STATUS +CODEC +SIZE +DURATION +SPEED +RESULT$/m);
    expect(await folder.processes()).toEqual([]);
  });

  it('fails a missing and a broken file with their reasons, finishes the others and exits 1', async () => {
    await symlink(join(media, 'FILE.mp4'), join(folder.path, 'link.mp4'));
    const missing = join(media, 'missing.mp4');
    const nowhere = join(folder.path, 'nowhere', 'missing.mp4');
    const process = once('--output-dir', 'mixed', 'link.mp4', missing, join(media, 'broken.mp4'), nowhere);
    expect(await process.ended).toBe(1);

    expect(process.errors()).toBe('ffmpeg-master: 3 of 4 files failed; the reasons stand in the table\n');
    const rows = process.output().split('\n');
    const row = (file: string) =>
      rows.find((line) => line.startsWith(file) && line.includes('input_error')) ?? '';
    expect(row(missing)).toMatch(/input_error: .*does not exist/);
    expect(row(nowhere)).toMatch(/input_error: .*does not exist/);
    expect(row(join(media, 'broken.mp4'))).toMatch(/input_error: .*cannot be read as media/);
    expect((await probe(join(folder.path, 'mixed', 'FILE.mp4'))).video.codec_name).toBe('h264');
    expect((await readdir(join(folder.path, 'mixed'))).filter((name) => !name.startsWith('.'))).toEqual([
      'FILE.mp4',
    ]);
    expect(await folder.processes()).toEqual([]);
  });

  it('writes over nothing: the second result of a name gets a number', async () => {
    const source = join(media, 'FILE.mp4');
    const before = await stat(source);
    const process = once('--output-dir', media, source);
    expect([await process.ended, process.errors()]).toEqual([0, '']);
    expect((await probe(join(media, 'FILE-2.mp4'))).video.codec_name).toBe('h264');
    expect((await stat(source)).mtimeMs).toBe(before.mtimeMs);
  });

  it('says which port is taken and which flag mends it', async () => {
    const { createServer } = await import('node:http');
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(folder.port + 1, '127.0.0.1', resolve));
    try {
      const process = once();
      expect(await process.ended).toBe(1);
      expect(process.errors()).toMatch(
        new RegExp(`^ffmpeg-master: port ${folder.port + 1} is taken by another program; .*--port \\d+\\n$`),
      );
    } finally {
      other.close();
    }
  });

  it.each([[['--once']], [[]]])(
    'ends with the last words of a process that cannot start: up %j',
    async (args) => {
      const started = performance.now();
      const process = folder.run(['up', ...args, '--port', String(folder.port)], {
        WORKER_FFMPEG_PATH: '/bin/false',
      });
      expect(await process.ended).toBe(1);
      expect(performance.now() - started).toBeLessThan(30_000);
      expect(process.errors()).toMatch(
        /^ffmpeg-master: worker 1 did not start \(exit status 1\); its log is .*\n {2}ffmpeg-master: \/bin\/false (does not run|cannot list its encoders)/,
      );
      expect(await folder.processes()).toEqual([]);
    },
  );

  it.each([[['up', 'FILE.mp4']], [['up', '--masters', '0']], [['up', '--wrong']]])(
    'calls %j wrong usage',
    async (args) => {
      const process = folder.run(args);
      expect(await process.ended).toBe(2);
      expect(process.errors()).toMatch(/^ffmpeg-master: .+\n$/);
    },
  );
});
