import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { ScriptedMaster } from '../../test/support/scripted-master.js';
import { findFfmpeg } from './ffmpeg-binaries.js';
import type { WorkerOptions } from './worker-options.js';
import { Worker } from './worker.js';

/** Small enough for two shared cores. */
const SMALL = { resolution: '320x180', fps: 15, preset: 'ultrafast', duration: 1 };
/** Ends only when it is killed. */
const ENDLESS = { ...SMALL, duration: 36_000 };
const PATIENCE = { within: 20_000 };

const { ffmpeg, ffprobe } = await findFfmpeg();
let folder: string;
let master: ScriptedMaster;
const workers: Worker[] = [];

/** Made once; each test gets a copy of its own. */
let media: string;
beforeAll(layMedia);
afterAll(() => rmSync(media, { recursive: true, force: true }));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'worker-'));
  run('cp', ['-a', media, join(folder, 'in')]);
  master = await ScriptedMaster.start();
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  await master.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('what a job asks for', { timeout: 60_000 }, () => {
  it('makes a generated clip into H.264 that ffprobe confirms, and reports what it measured', async () => {
    await startWorker();
    const { job } = master.submit({ ...SMALL, duration: 2, output: 'shows/clip.mp4' });
    const report = await reported(job.id);
    expect(report).toMatchObject({
      status: 'completed',
      outcome: 'accepted',
      result: { output: 'shows/clip.mp4', metrics: { frames: 30 } },
    });
    await eventually(() => expect(existsSync(out('shows/clip.mp4'))).toBe(true));
    const clip = look(out('shows/clip.mp4'));
    expect(clip).toMatchObject({ codec: 'h264', width: 320, height: 180 });
    expect(Math.abs(clip.duration - 2)).toBeLessThan(0.1);
    expect(report.result?.streams?.map(({ type, codec }) => `${type} ${codec}`)).toEqual([
      'video h264',
      'audio aac',
    ]);
    await eventually(() => expect(attemptFolders()).toEqual([]));
  });

  it('tells the masters what this machine really has', async () => {
    await startWorker({ name: 'w-1', slots: 3 });
    const { body, key } = master.of('nodes')[0] ?? {};
    expect(body).toMatchObject({ name: 'w-1', slots: 3, engines: ['ffmpeg'] });
    expect(body?.encoders).toContain('libx264');
    expect(key).toBe('0123456789abcdef');
  });

  it('counts what it does, for whoever serves its metrics', async () => {
    let served = '';
    const worker = await startWorker({
      serveMetrics: async (registry) => ({ close: async () => void (served = await registry.metrics()) }),
    });
    const { job } = master.submit(SMALL);
    await reported(job.id);
    await worker.stop();
    expect(served).toContain('ffrtmp_worker_attempts_total{outcome="completed"} 1');
    expect(served).toContain('ffrtmp_worker_slots 1');
    expect(served).toMatch(/ffrtmp_worker_heartbeats_total\{outcome="answered"\} [1-9]/);
    expect(served).toContain('ffrtmp_worker_ffmpeg_speed_count 1');
  });

  it('transcodes an MKV below an input root to its scenario', async () => {
    // The job takes 0.2 s; a beat shall come while ffmpeg runs.
    master.heartbeatSeconds = 0.02;
    await startWorker();
    const { job } = master.submit({ input: 'film.mkv', preset: 'ultrafast' }, { scenario: '144p10-h264' });
    expect(await reported(job.id)).toMatchObject({
      status: 'completed',
      result: { output: `${job.id}.mp4` },
    });
    await eventually(() => expect(existsSync(out(`${job.id}.mp4`))).toBe(true));
    expect(look(out(`${job.id}.mp4`))).toMatchObject({ codec: 'h264', width: 256, height: 144 });
    const beats = master.heartbeatsOf(job.id);
    expect(beats[0]).toMatchObject({ started: true });
    expect(beats.at(-1)?.duration_seconds).toBeCloseTo(2, 0);
    expect(master.logs.get(job.id)).toContain('libx264');
  });

  it('holds ffmpeg to its memory, threads and time where that suffices', async () => {
    await startWorker();
    const limits = { max_memory_mb: 1024, max_disk_mb: 50, timeout_sec: 60, max_cpu_percent: 409_600 };
    const { job } = master.submit({ ...SMALL, threads: 1, bitrate: '300k', resource_limits: limits });
    expect(await reported(job.id)).toMatchObject({ status: 'completed' });
  });

  it('makes VP9 in WebM', async () => {
    await startWorker();
    const { job } = master.submit({ ...SMALL, output: 'clip.webm' });
    expect(await reported(job.id)).toMatchObject({ status: 'completed' });
    await eventually(() => expect(look(out('clip.webm'))).toMatchObject({ codec: 'vp9' }));
  });

  it('runs as many jobs at once as it has slots, and never asks for more', async () => {
    await startWorker({ slots: 2 });
    const jobs = [1, 2, 3, 4, 5].map(() => master.submit(SMALL).job);
    for (const { id } of jobs) expect(await reported(id)).toMatchObject({ status: 'completed' });
    const together = master.of('heartbeat').map(({ body }) => (body.attempts as unknown[]).length);
    expect(Math.max(...together)).toBe(2);
    expect(master.of('report').some(({ body }) => body.claim)).toBe(true);
    expect(master.reports).toHaveLength(5);
  });
});

describe('what a job may not have', { timeout: 60_000 }, () => {
  it.each([
    ['a missing input', { input: 'absent.mp4' }, 'input_error', /does not exist/],
    ['a broken input', { input: 'broken.mp4' }, 'input_error', /cannot be read as media/],
    ['a truncated input', { input: 'truncated.mp4' }, 'input_error', /moov|cannot be read/],
    ['a folder', { input: 'sub' }, 'input_error', /not a regular file/],
    ['sound alone', { input: 'sound.wav' }, 'input_error', /no video/],
    ['a playlist', { input: 'list.m3u8' }, 'input_error', /playlist/],
    ['a playlist by another name', { input: 'list.mp4' }, 'input_error', /playlist|cannot be read/],
    ['a concat script', { input: 'list.ffconcat' }, 'input_error', /playlist/],
    ['a link out of the roots', { input: 'escape.mkv' }, 'user_error', /leads outside/],
    ['a path out of the roots', { input: '../secret.mkv' }, 'user_error', /outside of/],
    ['an absolute path out of the roots', { input: '/etc/hostname' }, 'user_error', /outside of/],
    ['a URL', { input: 'http://127.0.0.1/x.mp4' }, 'user_error', /local files only/],
    ['a protocol of ffmpeg', { input: 'concat:/etc/passwd|x' }, 'user_error', /local files only/],
    ['an output above', { output: '../x.mp4' }, 'user_error', /parameters\.output/],
    ['an absolute output', { output: '/tmp/x.mp4' }, 'user_error', /parameters\.output/],
    ['a hidden output', { output: '.attempts/x.mp4' }, 'user_error', /parameters\.output/],
    ['an unknown container', { output: 'x.sh' }, 'user_error', /parameters\.output/],
    ['an output below a link', { output: 'link/x.mp4' }, 'user_error', /parameters\.output/],
    ['an unknown parameter', { vf: 'scale=1:1' }, 'user_error', /parameters\.vf/],
    ['another engine', { engine: 'gstreamer' }, 'user_error', /parameters\.engine/],
    [
      'a codec its container cannot hold',
      { codec: 'h264', output: 'x.webm' },
      'user_error',
      /parameters\.codec/,
    ],
    ['a device that is not there', { hwaccel: 'videotoolbox' }, 'user_error', /parameters\.hwaccel/],
    ['a share of a core', { resource_limits: { max_cpu_percent: 10 } }, 'user_error', /max_cpu_percent/],
    [
      'a stream to a host not listed',
      { output_mode: 'rtmp', rtmp_url: 'rtmp://example.org/live' },
      'user_error',
      /rtmp_hosts/,
    ],
    ['a quality beside a bit rate', { crf: 20, bitrate: '1M' }, 'user_error', /parameters\.crf/],
    ['too little memory', { ...SMALL, resource_limits: { max_memory_mb: 16 } }, 'resource_error', /memory/],
    ['too long a run', { ...ENDLESS, resource_limits: { timeout_sec: 1 } }, 'timeout', /timeout_sec/],
    [
      'too large an output',
      { ...ENDLESS, resource_limits: { max_disk_mb: 1 } },
      'resource_error',
      /max_disk_mb/,
    ],
  ])('%s', async (_, parameters, reason, words) => {
    layTraps();
    await startWorker();
    const { job } = master.submit(parameters);
    const report = await reported(job.id);
    expect(report).toMatchObject({ status: 'failed', failure_reason: reason });
    expect(report.error).toMatch(words);
    await eventually(() => expect(attemptFolders()).toEqual([]));
    expect(readdirSync(join(folder, 'out')).filter((name) => name !== '.attempts')).toEqual(['link']);
    expect(readdirSync(join(folder, 'elsewhere'))).toEqual([]);
  });

  it('reads no file where the operator listed no folder', async () => {
    await startWorker({ inputRoots: [] });
    const { job } = master.submit({ input: '/etc/hostname' });
    expect(await reported(job.id)).toMatchObject({ failure_reason: 'user_error' });
  });
});

describe('what masters say while it runs', { timeout: 60_000 }, () => {
  it('cancel kills ffmpeg within moments, and is reported', async () => {
    const worker = await startWorker();
    const { job } = master.submit(ENDLESS);
    const pid = await ffmpegPid(worker);
    master.verdicts.set(job.id, { lease: 'lost', cancel: true });
    const asked = performance.now();
    expect(await reported(job.id)).toMatchObject({ status: 'canceled' });
    expect(performance.now() - asked).toBeLessThan(3_000);
    expect(isAlive(pid)).toBe(false);
    await eventually(() => expect(attemptFolders()).toEqual([]));
  });

  it('lost kills ffmpeg at once and reports nothing', async () => {
    const worker = await startWorker();
    const { job } = master.submit(ENDLESS);
    const pid = await ffmpegPid(worker);
    master.verdicts.set(job.id, { lease: 'lost' });
    await eventually(() => expect(isAlive(pid)).toBe(false), PATIENCE);
    await eventually(() => expect(attemptFolders()).toEqual([]));
    expect(master.reports).toEqual([]);
    // The slot is free again.
    expect(await reported(master.submit(SMALL).job.id)).toMatchObject({ status: 'completed' });
  });

  it('pause stops ffmpeg and resume continues it', async () => {
    const worker = await startWorker();
    const { job } = master.submit({ ...SMALL, duration: 3_000 });
    const pid = await ffmpegPid(worker);
    master.verdicts.set(job.id, { pause: true });
    await eventually(() => expect(stateOf(pid)).toBe('T'), PATIENCE);
    const size = attemptBytes();
    const beats = master.heartbeatsOf(job.id).length;
    await eventually(() => expect(master.heartbeatsOf(job.id).length).toBeGreaterThan(beats + 10), PATIENCE);
    expect([stateOf(pid), attemptBytes()]).toEqual(['T', size]);
    master.verdicts.delete(job.id);
    await eventually(() => expect(attemptBytes()).toBeGreaterThan(size), PATIENCE);
    // A paused job can be canceled too.
    master.verdicts.set(job.id, { pause: true });
    await eventually(() => expect(stateOf(pid)).toBe('T'), PATIENCE);
    master.verdicts.set(job.id, { lease: 'lost', cancel: true });
    expect(await reported(job.id)).toMatchObject({ status: 'canceled' });
    expect(isAlive(pid)).toBe(false);
  });

  it('a pause uses up none of the time that a job may run', async () => {
    const worker = await startWorker();
    const { job } = master.submit({ ...ENDLESS, resource_limits: { timeout_sec: 2 } });
    const pid = await ffmpegPid(worker);
    master.verdicts.set(job.id, { pause: true });
    await eventually(() => expect(stateOf(pid)).toBe('T'), PATIENCE);
    const pausedAt = performance.now();
    await eventually(() => expect(performance.now() - pausedAt).toBeGreaterThan(3_000), PATIENCE);
    expect(stateOf(pid)).toBe('T');
    expect(master.reports).toEqual([]);
    master.verdicts.delete(job.id);
    // The rest of its time still ends it.
    expect(await reported(job.id)).toMatchObject({ status: 'failed', failure_reason: 'timeout' });
  });

  it('hear from it in time while every slot encodes', async () => {
    master.heartbeatSeconds = 1;
    await startWorker({ slots: 3 });
    const busy = { duration: 36_000, resolution: '1280x720', fps: 60, preset: 'veryfast' };
    const jobs = [1, 2, 3].map(() => master.submit(busy).job.id);
    const carrying = () =>
      master.of('heartbeat').filter(({ body }) => (body.attempts as unknown[]).length === jobs.length);
    await eventually(() => expect(carrying().length).toBeGreaterThan(0), PATIENCE);
    const began = carrying()[0]?.at ?? 0;
    await eventually(() => expect(performance.now() - began).toBeGreaterThan(6_000), PATIENCE);
    const times = master.of('heartbeat').map(({ at }) => at);
    const gaps = times.slice(1).map((at, k) => at - (times[k] ?? at));
    // A lease is three intervals by default: what comes within them loses no job.
    expect(Math.max(...gaps), `gaps in ms: ${gaps.map(Math.round).join(' ')}`).toBeLessThan(3_000);
    for (const id of jobs) master.verdicts.set(id, { cancel: true, lease: 'lost' });
    await eventually(() => expect(master.reports).toHaveLength(3), PATIENCE);
  });

  it('drain lets what runs finish and claims nothing further', async () => {
    await startWorker({ claimWaitSeconds: 1 });
    master.drain = true;
    await eventually(() => expect(master.of('heartbeat').length).toBeGreaterThan(3));
    await eventually(() => expect(master.of('claim').length).toBeGreaterThan(0));
    const claims = await settledCount();
    const { job } = master.submit(SMALL);
    const beats = master.of('heartbeat').length;
    await eventually(() => expect(master.of('heartbeat').length).toBeGreaterThan(beats + 12));
    expect([master.of('claim').length, master.reports.length]).toEqual([claims, 0]);
    master.drain = false;
    expect(await reported(job.id)).toMatchObject({ status: 'completed' });
  });

  it('stale: the result is deleted, not published', async () => {
    await startWorker();
    master.outcome = () => 'stale';
    const { job } = master.submit({ ...SMALL, output: 'late.mp4' });
    expect(await reported(job.id)).toMatchObject({ status: 'completed', outcome: 'stale' });
    await eventually(() => expect(attemptFolders()).toEqual([]));
    expect(existsSync(out('late.mp4'))).toBe(false);
  });
});

describe('RTMP', { timeout: 60_000 }, () => {
  it('sends to a listed host, tells nobody the key, and keeps no file', async () => {
    const port = await freePort();
    await startWorker({ rtmpHosts: [`127.0.0.1:${port}`] });
    const server = rtmpServer(port, 'live/secret-key-1');
    await eventually(() => expect(isListening(port)).toBe(true), PATIENCE);
    const { job } = master.submit({
      ...SMALL,
      output_mode: 'rtmp',
      rtmp_url: `rtmp://127.0.0.1:${port}/live`,
      stream_key: 'secret-key-1',
    });
    const report = await reported(job.id);
    expect(report.error).toBeUndefined();
    expect(report).toMatchObject({
      status: 'completed',
      result: { output: `rtmp://127.0.0.1:${port}/live` },
    });
    await server.ended;
    expect(look(server.file)).toMatchObject({ codec: 'h264', width: 320 });
    expect(JSON.stringify([report, [...master.logs.values()]])).not.toContain('secret-key-1');
    expect(master.logs.get(job.id)).toContain('***');
  });

  it('ends with its lease when the masters are silent', async () => {
    master.leaseSeconds = 1;
    const port = await freePort();
    const worker = await startWorker({ rtmpHosts: [`127.0.0.1:${port}`] });
    const server = rtmpServer(port, 'live/x');
    await eventually(() => expect(isListening(port)).toBe(true), PATIENCE);
    master.submit({ ...ENDLESS, output_mode: 'stream', rtmp_url: `rtmp://127.0.0.1:${port}/live/x` });
    const pid = await ffmpegPid(worker);
    // The lease outlasts itself as long as heartbeats renew it.
    const beats = master.of('heartbeat').length;
    await eventually(() => expect(master.of('heartbeat').length).toBeGreaterThan(beats + 15), PATIENCE);
    expect(isAlive(pid)).toBe(true);
    master.mischief = () => ({ status: 503 });
    await eventually(() => expect(isAlive(pid)).toBe(false), { within: 5_000 });
    server.kill();
    await server.ended;
  });

  it('calls a refused connection a network error', async () => {
    const port = await freePort();
    await startWorker({ rtmpHosts: [`127.0.0.1:${port}`] });
    const { job } = master.submit({
      ...SMALL,
      output_mode: 'rtmp',
      rtmp_url: `rtmp://127.0.0.1:${port}/live/x`,
    });
    expect(await reported(job.id)).toMatchObject({ status: 'failed', failure_reason: 'network_error' });
  });
});

async function startWorker(options: Partial<WorkerOptions> = {}): Promise<Worker> {
  const worker = new Worker({
    masters: [master.url],
    apiKey: '0123456789abcdef',
    slots: 1,
    stopGraceMs: 2_000,
    outputDir: join(folder, 'out'),
    // Shared by all tests: encoders are tried once.
    workDir: join(tmpdir(), 'ffmpeg-master-worker-specs'),
    inputRoots: [join(folder, 'in')],
    logger: pino({ level: process.env.SPEC_LOG ?? 'silent' }),
    ...options,
  });
  workers.push(worker);
  await worker.start();
  return worker;
}

async function reported(jobId: string): Promise<ReturnType<ScriptedMaster['reportOf']>> {
  return await eventually(() => master.reportOf(jobId), PATIENCE);
}

/** How many claims were made once the open ones have run out. */
async function settledCount(): Promise<number> {
  let before = -1;
  return await eventually(
    () => {
      const now = master.of('claim').length;
      const settled = now === before;
      before = now;
      expect(settled).toBe(true);
      return now;
    },
    { within: 10_000, every: 1_500 },
  );
}

async function ffmpegPid(worker: Worker): Promise<number> {
  return await eventually(() => {
    const [attempt] = worker.attempts();
    expect(attempt?.speed).toBeGreaterThan(0);
    return attempt?.pid as number;
  }, PATIENCE);
}

function out(name: string): string {
  return join(folder, 'out', name);
}

function attemptFolders(): string[] {
  const attempts = out('.attempts');
  return readdirSync(attempts)
    .flatMap((instance) => readdirSync(join(attempts, instance)))
    .filter((name) => !name.startsWith('owner.json'));
}

function attemptBytes(): number {
  const text = execFileSync('du', ['-sb', out('.attempts')], { encoding: 'utf8' });
  return Number.parseInt(text, 10);
}

function isAlive(pid: number): boolean {
  return stateOf(pid) !== 'gone';
}

function stateOf(pid: number): string {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2)[0] ?? '';
  } catch {
    return 'gone';
  }
}

function layMedia(): void {
  media = mkdtempSync(join(tmpdir(), 'worker-media-'));
  const film = join(media, 'film.mkv');
  const clip = [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=320x180:rate=15:duration=2',
    '-f',
    'lavfi',
    '-i',
    'sine=duration=2',
  ];
  run(ffmpeg, [
    '-v',
    'error',
    ...clip,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-pix_fmt',
    'yuv420p',
    film,
  ]);
  const whole = join(media, 'whole.mp4');
  run(ffmpeg, ['-v', 'error', '-i', film, '-c', 'copy', whole]);
  writeFileSync(join(media, 'truncated.mp4'), readFileSync(whole).subarray(0, 2_000));
  writeFileSync(join(media, 'broken.mp4'), 'this is no film\n'.repeat(100));
  run(ffmpeg, ['-v', 'error', '-f', 'lavfi', '-i', 'sine=duration=1', join(media, 'sound.wav')]);
  const playlist = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfilm.mkv\n#EXT-X-ENDLIST\n';
  writeFileSync(join(media, 'list.m3u8'), playlist);
  writeFileSync(join(media, 'list.mp4'), playlist);
  writeFileSync(join(media, 'list.ffconcat'), 'ffconcat version 1.0\nfile film.mkv\n');
  mkdirSync(join(media, 'sub'));
}

/** Ways out of the folders that jobs may use. */
function layTraps(): void {
  mkdirSync(join(folder, 'elsewhere'));
  mkdirSync(join(folder, 'out'));
  run('cp', [join(media, 'film.mkv'), join(folder, 'secret.mkv')]);
  symlinkSync(join(folder, 'secret.mkv'), join(folder, 'in', 'escape.mkv'));
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'out', 'link'));
}

function run(file: string, args: string[]): void {
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

function look(path: string): { codec: string; width: number; height: number; duration: number } {
  const text = execFileSync(ffprobe, ['-v', 'error', '-show_format', '-show_streams', '-of', 'json', path], {
    encoding: 'utf8',
  });
  const { streams, format } = JSON.parse(text);
  const video = streams.find((stream: { codec_type: string }) => stream.codec_type === 'video');
  return {
    codec: video.codec_name,
    width: video.width,
    height: video.height,
    duration: Number(format.duration),
  };
}

/** ffmpeg itself can play the server of one stream. */
function rtmpServer(port: number, stream: string): { file: string; ended: Promise<void>; kill(): void } {
  const file = join(folder, 'received.mkv');
  const child = spawn(
    ffmpeg,
    [
      '-v',
      'error',
      '-nostdin',
      '-y',
      '-listen',
      '1',
      '-f',
      'flv',
      '-i',
      `rtmp://127.0.0.1:${port}/${stream}`,
      '-c',
      'copy',
      file,
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return { file, ended, kill: () => child.kill('SIGKILL') };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Read from the kernel's table: a connection would take the one that the server waits for. */
function isListening(port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`;
  return readFileSync('/proc/net/tcp', 'utf8').includes(wanted);
}
