import { spawn, type ChildProcess } from 'node:child_process';
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
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformFile } from '@swc/core';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { ScriptedMaster } from '../../test/support/scripted-master.js';
import type { WorkerOptions } from './worker-options.js';
import { Worker } from './worker.js';

const SMALL = { resolution: '320x180', fps: 15, preset: 'ultrafast', duration: 1 };
/** Ends only when it is killed. */
const ENDLESS = { ...SMALL, duration: 36_000 };
const PATIENCE = { within: 20_000 };

let built: string;
let folder: string;
let master: ScriptedMaster;
const workers: Worker[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => (built = await buildWorker()));
afterAll(() => rmSync(built, { recursive: true, force: true }));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'worker-faults-'));
  master = await ScriptedMaster.start();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  await master.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('lost answers (F24)', { timeout: 60_000 }, () => {
  it('asks a claim whose answer was cut again with the same claim_id, and runs the attempt once', async () => {
    let cuts = 0;
    master.mischief = (route, body) =>
      route === 'claim' && master.of('claim').length === 1 && body && ++cuts ? 'cut' : undefined;
    await startWorker();
    const { job } = master.submit(SMALL);
    expect(await reported(job.id)).toMatchObject({ status: 'completed' });
    expect(cuts).toBe(1);
    const [first, second] = master.of('claim').map(({ body }) => body.claim_id);
    expect(second).toBe(first);
    await eventually(() => expect(published(`${job.id}.mp4`)).toBe(true));
    expect(master.reports).toHaveLength(1);
  });

  it('repeats a report whose answer was cut, takes duplicate for yes and starts what rode along once', async () => {
    await startWorker();
    master.mischief = (route) => (route === 'report' && master.of('report').length === 1 ? 'cut' : undefined);
    const [one, two] = [master.submit(SMALL).job, master.submit(SMALL).job];
    expect(await reported(two.id)).toMatchObject({ status: 'completed' });
    expect(master.reports.map(({ job_id, outcome }) => [job_id, outcome])).toEqual([
      [one.id, 'accepted'],
      [one.id, 'duplicate'],
      [two.id, 'accepted'],
    ]);
    await eventually(() =>
      expect([published(`${one.id}.mp4`), published(`${two.id}.mp4`)]).toEqual([true, true]),
    );
  });
});

describe('masters that fail', { timeout: 60_000 }, () => {
  it('moves to the next URL when one is gone, answers 503 or hangs', async () => {
    const others = [await ScriptedMaster.start(), await ScriptedMaster.start(), await ScriptedMaster.start()];
    const [gone, busy, hung] = others as [ScriptedMaster, ScriptedMaster, ScriptedMaster];
    busy.mischief = () => ({ status: 503, headers: { 'retry-after': '30' } });
    hung.mischief = () => 'hang';
    await gone.close();
    await startWorker({ masters: [gone.url, busy.url, hung.url, master.url] });
    const { job } = master.submit(SMALL);
    expect(await reported(job.id)).toMatchObject({ status: 'completed' });
    // Retry-After keeps the busy one in peace.
    expect(busy.seen.length).toBeLessThanOrEqual(1);
    await Promise.all([busy.close(), hung.close()]);
  });

  it('leaves a master that asks for a pause in peace, but for heartbeats', async () => {
    await startWorker();
    const beats = master.of('heartbeat').length;
    master.mischief = () => ({ status: 503, headers: { 'retry-after': '30' } });
    await eventually(() => expect(master.of('heartbeat').length).toBeGreaterThan(beats));
    master.mischief = () => undefined;
    const more = master.of('heartbeat').length;
    await eventually(() => expect(master.of('heartbeat').length).toBeGreaterThan(more + 3));
  });

  it('registers again when its node is unknown', async () => {
    await startWorker();
    let forgotten = true;
    master.mischief = (route) => {
      if (route === 'nodes') forgotten = false;
      return forgotten && route === 'heartbeat' ? { status: 404 } : undefined;
    };
    await eventually(() => expect(master.of('nodes')).toHaveLength(2));
    const [first, second] = master.of('nodes').map(({ body }) => body.instance_id);
    expect(second).toBe(first);
  });

  it('says what to do about a refused key', async () => {
    master.mischief = () => ({ status: 401 });
    await expect(startWorker()).rejects.toThrow(/key/);
  });

  it('waits for a master that is not there yet, and can be stopped meanwhile', async () => {
    await master.close();
    const worker = makeWorker();
    const started = worker.start();
    await eventually(() => expect(worker).toBeDefined());
    await master.listenAgain();
    await started;
    await worker.stop();
    await master.close();
    const another = makeWorker();
    const refused = another.start().catch((error: Error) => error.message);
    await another.stop();
    expect(await refused).toMatch(/stops/);
    await master.listenAgain();
  });
});

describe('an outage (F18)', { timeout: 60_000 }, () => {
  it('goes on encoding, publishes nothing, and carries on when the masters are back in time', async () => {
    master.leaseSeconds = 1;
    const worker = await startWorker({ slots: 2 });
    const { job: long } = master.submit(ENDLESS);
    const pid = await ffmpegPid(worker, long.id);
    let refused = 0;
    // The masters go with the report that the short one has ended well; no answer tells its fate.
    master.mischief = (route) => {
      if (route === 'report' || refused > 0) refused++;
      return refused > 0 ? { status: 503 } : undefined;
    };
    const { job: short } = master.submit(SMALL);
    await eventually(() => expect(phaseOf(worker, short.id)).toBe('reporting'), PATIENCE);
    const before = refused;
    await eventually(() => expect(refused).toBeGreaterThan(before + 10), PATIENCE);
    expect(published(`${short.id}.mp4`)).toBe(false);
    expect(isAlive(pid)).toBe(true);
    master.mischief = () => undefined;
    expect(await reported(short.id)).toMatchObject({ status: 'completed', outcome: 'accepted' });
    await eventually(() => expect(published(`${short.id}.mp4`)).toBe(true));
    expect(isAlive(pid)).toBe(true);
  });

  it('kills and cleans up when the grace is over, and hands the job back when someone answers', async () => {
    const worker = await startWorker({ outageGraceMs: 700 });
    const { job } = master.submit(ENDLESS);
    const pid = await ffmpegPid(worker, job.id);
    master.mischief = () => ({ status: 503 });
    const cut = performance.now();
    await eventually(() => expect(isAlive(pid)).toBe(false), PATIENCE);
    expect(performance.now() - cut).toBeGreaterThan(600);
    expect(master.reports).toEqual([]);
    // Not only when someone answers: that may take days, and half a film lies there.
    await eventually(() => expect(attemptFolders()).toEqual([]));
    master.mischief = () => undefined;
    expect(await reported(job.id)).toMatchObject({ status: 'released' });
    await eventually(() => expect(attemptFolders()).toEqual([]));
  });
});

describe('the end of the process', { timeout: 60_000 }, () => {
  it('SIGTERM: kills ffmpeg, hands its job back as released and exits 0', async () => {
    const child = await spawnWorker();
    const { job } = master.submit(ENDLESS);
    const pid = await childFfmpeg(child, job.id);
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
    expect(master.reportOf(job.id)).toMatchObject({ status: 'released' });
    expect(isAlive(pid)).toBe(false);
    expect(readdirSync(join(folder, 'out'))).toEqual([]);
  });

  it('SIGTERM with no master to tell: exits within the grace', async () => {
    const child = await spawnWorker({ stopGraceMs: 500 });
    const { job } = master.submit(ENDLESS);
    const pid = await childFfmpeg(child, job.id);
    master.mischief = () => ({ status: 503 });
    const asked = performance.now();
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect(isAlive(pid)).toBe(false);
  });

  it('kill -9 takes ffmpeg along, and the next process cleans up', async () => {
    const child = await spawnWorker();
    const { job } = master.submit(ENDLESS);
    const pid = await childFfmpeg(child, job.id);
    child.kill('SIGKILL');
    await eventually(() => expect(isAlive(pid)).toBe(false), PATIENCE);
    expect(attemptFolders()).toHaveLength(1);
    await startWorker();
    await eventually(() => expect(attemptFolders()).toEqual([]));
    expect(master.reports).toEqual([]);
  });

  it('F25: killed between the accepted report and its publication, the next process finishes it', async () => {
    const child = await spawnWorker();
    master.mischief = (route) => {
      if (route !== 'report' || master.of('report').length > 1) return undefined;
      // The report counts from here on; the answer never arrives.
      process.nextTick(() => child.kill('SIGKILL'));
      return 'cut';
    };
    const { job } = master.submit({ ...SMALL, output: 'shows/clip.mp4' });
    await once(child, 'exit');
    expect(master.reports.map(({ outcome }) => outcome)).toEqual(['accepted']);
    expect(published('shows/clip.mp4')).toBe(false);
    await startWorker();
    await eventually(() => expect(published('shows/clip.mp4')).toBe(true));
    expect(master.reports.map(({ outcome }) => outcome)).toEqual(['accepted', 'duplicate']);
    expect(master.reportOf(job.id).status).toBe('completed');
    await eventually(() => expect(attemptFolders()).toEqual([]));
  });

  it('F25: what was noted as accepted is published without asking; what is stale is deleted', async () => {
    const noted = leaveBehind('noted.mp4', 1, { accepted: true });
    leaveBehind('late.mp4', 2, { accepted: false });
    master.outcome = () => 'stale';
    await startWorker();
    await eventually(() => expect(attemptFolders()).toEqual([]));
    expect([published('noted.mp4'), published('late.mp4')]).toEqual([true, false]);
    expect(master.reports.map(({ job_id }) => job_id)).not.toContain(noted);
    expect(master.reports).toHaveLength(1);
  });

  it('leaves the attempts of a living neighbour alone', async () => {
    const worker = await startWorker();
    const { job } = master.submit(ENDLESS);
    const pid = await ffmpegPid(worker, job.id);
    await startWorker({ name: 'neighbour' });
    const beats = master.heartbeatsOf(job.id).length;
    await eventually(() => expect(master.heartbeatsOf(job.id).length).toBeGreaterThan(beats + 5));
    expect(isAlive(pid)).toBe(true);
    expect(attemptFolders()).toHaveLength(1);
  });
});

function makeWorker(options: Partial<WorkerOptions> = {}): Worker {
  const worker = new Worker({
    ...settings(),
    logger: pino({ level: process.env.SPEC_LOG ?? 'silent' }),
    ...options,
  });
  workers.push(worker);
  return worker;
}

async function startWorker(options: Partial<WorkerOptions> = {}): Promise<Worker> {
  const worker = makeWorker(options);
  await worker.start();
  return worker;
}

function settings(): Omit<WorkerOptions, 'logger'> {
  return {
    masters: [master.url],
    apiKey: '0123456789abcdef',
    name: 'w-1',
    slots: 1,
    stopGraceMs: 2_000,
    outputDir: join(folder, 'out'),
    workDir: join(tmpdir(), 'ffmpeg-master-worker-specs'),
  };
}

/** A worker as a process of its own, registered. */
async function spawnWorker(options: Partial<WorkerOptions> = {}): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [join(built, 'start.mjs'), JSON.stringify({ ...settings(), ...options })],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  children.push(child);
  const before = master.of('claim').length;
  await eventually(() => expect(master.of('claim').length).toBeGreaterThan(before), PATIENCE);
  return child;
}

/** The worker's sources as Node runs them: signals and kills need a real process. */
async function buildWorker(): Promise<string> {
  const target = mkdtempSync(join(tmpdir(), 'worker-built-'));
  symlinkSync(join(process.cwd(), 'node_modules'), join(target, 'node_modules'));
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  for (const name of ['config', 'protocol', 'worker']) {
    mkdirSync(join(target, name));
    for (const file of readdirSync(join('src', name)).filter(
      (each) => each.endsWith('.ts') && !each.endsWith('.spec.ts'),
    )) {
      const { code } = await transformFile(join('src', name, file), { swcrc: true });
      writeFileSync(join(target, name, file.replace(/\.ts$/, '.js')), code);
    }
  }
  const entry = pathToFileURL(join(target, 'worker', 'worker.js')).href;
  writeFileSync(
    join(target, 'start.mjs'),
    `import { pino } from 'pino';
     const { Worker } = await import(${JSON.stringify(entry)});
     const worker = new Worker({ ...JSON.parse(process.argv[2]), logger: pino({ level: 'silent' }) });
     process.once('SIGTERM', () => void worker.stop().then(() => process.exit(0)));
     await worker.start();`,
  );
  return target;
}

/** What a worker that died after its report leaves. */
function leaveBehind(name: string, token: number, { accepted }: { accepted: boolean }): string {
  const jobId = `0190b5e4-0000-7000-8000-00000000000${token}`;
  const instance = join(folder, 'out', '.attempts', `dead-${token}`);
  const directory = join(instance, `${jobId}-${token}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(instance, 'owner.json'),
    JSON.stringify({ host: hostName(), pid: 1, started: 'before' }),
  );
  writeFileSync(join(directory, 'output.mp4'), 'film');
  const report = { job_id: jobId, lease_token: token, status: 'completed' };
  writeFileSync(
    join(directory, 'pending.json'),
    JSON.stringify({ node_id: master.nodeId, report, output: { file: 'output.mp4', name } }),
  );
  if (accepted) writeFileSync(join(directory, 'accepted.json'), '{}');
  return jobId;
}

function hostName(): string {
  return readFileSync('/proc/sys/kernel/hostname', 'utf8').trim();
}

async function reported(jobId: string): Promise<ReturnType<ScriptedMaster['reportOf']>> {
  return await eventually(() => master.reportOf(jobId), PATIENCE);
}

async function ffmpegPid(worker: Worker, jobId: string): Promise<number> {
  return await eventually(() => {
    const attempt = [...worker.attempts()].find(({ job }) => job.id === jobId);
    expect(attempt?.speed).toBeGreaterThan(0);
    return attempt?.pid as number;
  }, PATIENCE);
}

/** The child's only child, once it encodes. */
async function childFfmpeg(child: ChildProcess, jobId: string): Promise<number> {
  await eventually(() => expect(master.heartbeatsOf(jobId).some(({ speed }) => speed)).toBe(true), PATIENCE);
  const [pid] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
  expect(isAlive(Number(pid))).toBe(true);
  return Number(pid);
}

function phaseOf(worker: Worker, jobId: string): string | undefined {
  return [...worker.attempts()].find(({ job }) => job.id === jobId)?.phase;
}

function published(name: string): boolean {
  return existsSync(join(folder, 'out', name));
}

function attemptFolders(): string[] {
  const attempts = join(folder, 'out', '.attempts');
  return readdirSync(attempts)
    .flatMap((instance) => readdirSync(join(attempts, instance)))
    .filter((name) => !name.startsWith('owner.json'));
}

function isAlive(pid: number): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
}
