/** Real workers in chaos: each behind a link that can fail, to whichever masters are there, and given work when hurt. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import type { Program } from '../../e2e/support/program.js';
import { FaultProxy } from '../rig/fault-proxy.js';
import { HttpForwarder } from '../rig/http-forwarder.js';
import { attemptFolders, attemptHolds, clip, freeze, isAlive, published, stateOf } from '../rig/real-work.js';
import type { Rig } from '../rig/rig.js';
import type { ChaosFault, Stage } from './chaos-fault.js';

interface RealWorker {
  readonly name: string;
  readonly program: Program;
  /** Between it and the masters. */
  readonly link: FaultProxy;
}

/** Of each rig, those that were not killed, and whatever stands between workers and masters. */
const fleets = new WeakMap<
  Rig,
  { workers: RealWorker[]; forwarders: HttpForwarder[]; links: FaultProxy[] }
>();

/** A name of its own each time: it shall be a new machine. */
export async function joinRealWorker(rig: Rig, name = `real-${randomUUID().slice(0, 8)}`): Promise<void> {
  const fleet = fleets.get(rig) ?? { workers: [], forwarders: [], links: [] };
  fleets.set(rig, fleet);
  // Masters come and go: the one that is asked is looked up for each request.
  const forwarder = await HttpForwarder.start(() => rig.random.pick(rig.urls()));
  const link = await FaultProxy.start({ host: '127.0.0.1', port: forwarder.port });
  fleet.forwarders.push(forwarder);
  fleet.links.push(link);
  const options = ['--slots', '1', '--queue', 'live'];
  const program = await rig.addRealWorker(name, options, {}, [`http://127.0.0.1:${link.port}`]);
  fleet.workers.push({ name, program, link });
}

/** When the workers are stopped. */
export async function closeRealLinks(rig: Rig): Promise<void> {
  const { forwarders = [], links = [] } = fleets.get(rig) ?? {};
  await Promise.all(links.map((link) => link.close()));
  await Promise.all(forwarders.map((forwarder) => forwarder.close()));
}

export const REAL_WORKER_FAULTS: readonly ChaosFault[] = [
  {
    name: 'F1 real worker killed',
    excludes: 'real worker',
    inject: (stage) =>
      inItsJob(stage, 'killed', async (worker, ffmpeg) => {
        await kill(stage.rig, worker);
        await eventually(() => expect(isAlive(ffmpeg)).toBe(false), { within: 20_000 });
        await joinRealWorker(stage.rig);
        return 'in a job, and its ffmpeg with it';
      }),
  },
  {
    name: 'F4 real worker stopped past its lease',
    excludes: 'real worker',
    inject: (stage) =>
      inItsJob(stage, 'stopped', async ({ program }) => {
        program.signal('SIGSTOP');
        await stage.lasts(5_000);
        expect(stateOf(program.pid)).toBe('T');
        program.signal('SIGCONT');
        return 'in a job';
      }),
  },
  {
    name: 'F18 real worker cut off',
    excludes: 'real worker',
    inject: (stage) =>
      inItsJob(stage, 'cut-off', async ({ link }) => {
        const before = link.counts.held;
        link.hold();
        // Beyond its lease, or not.
        await stage.lasts(stage.between(2_000, 6_000));
        link.release();
        return link.counts.held > before ? 'in a job' : undefined;
      }),
  },
  {
    name: 'F22 a job kills its workers',
    excludes: 'real worker',
    inject: async (stage) => {
      let deaths = 0;
      // As many as are allowed to it: 1 and 1 retry.
      const submitted = await submitClip(stage, `poison-${randomUUID()}.mp4`, { max_retries: 1 });
      while (deaths < 2) {
        const found = await busyWith(stage, submitted);
        if (found === undefined) break;
        await kill(stage.rig, found.worker);
        await joinRealWorker(stage.rig);
        deaths += 1;
      }
      if (deaths < 2) return undefined;
      const failed = eventually(
        async () => {
          const [row] = await stage.rig.query<{ status: string }>(
            'SELECT status FROM ffmpeg_master.job_history WHERE id = $1',
            [submitted],
          );
          expect(row?.status).toBe('failed');
        },
        { within: 30_000, every: 100 },
      );
      // Where a master or the database is away meanwhile, another attempt may have met another end.
      if (
        !(await failed.then(
          () => true,
          () => false,
        ))
      )
        return undefined;
      return `${deaths} of them, and failed for good`;
    },
  },
  {
    name: 'F25 real worker killed before it published',
    excludes: 'real worker',
    inject: (stage) =>
      inItsJob(stage, 'unpublished', async (worker, ffmpeg, job, output) => {
        worker.link.hold(undefined, ['to-client']);
        process.kill(ffmpeg, 'SIGCONT');
        const token = await eventually(
          async () => {
            const [row] = await stage.rig.query<{ token: number; status: string }>(
              'SELECT lease_token::float8 AS token, status FROM ffmpeg_master.job_history WHERE id = $1',
              [job],
            );
            expect(row?.status).toBe('completed');
            return row?.token;
          },
          { within: 20_000, every: 20 },
        ).catch(() => undefined);
        const attempt = `${job}-${token}`;
        await kill(stage.rig, worker);
        worker.link.release();
        const unpublished = () => attemptHolds(stage.rig.outputDir, attempt, 'pending.json');
        const happened = token !== undefined && unpublished() && !published(stage.rig.outputDir).has(output);
        // Its successor bears its name: what it left is that one's to settle.
        await joinRealWorker(stage.rig, worker.name);
        if (!happened) return undefined;
        await eventually(
          () => {
            expect(published(stage.rig.outputDir).has(output)).toBe(true);
            expect(attemptFolders(stage.rig.outputDir)).not.toContain(attempt);
          },
          { within: 60_000 },
        );
        return 'its successor published what was accepted';
      }),
  },
];

/** Gives a worker a job and stops its ffmpeg in the middle; undefined where no worker came to it in time. */
async function inItsJob(
  stage: Stage,
  what: string,
  hurt: (worker: RealWorker, ffmpeg: number, job: string, output: string) => Promise<string | undefined>,
): Promise<string | undefined> {
  const output = `${what}-${randomUUID()}.mp4`;
  const job = await submitClip(stage, output);
  const found = await busyWith(stage, job);
  if (found === undefined) return undefined;
  try {
    return await hurt(found.worker, found.ffmpeg, job, output);
  } finally {
    if (stateOf(found.ffmpeg) === 'T') process.kill(found.ffmpeg, 'SIGCONT');
  }
}

async function submitClip({ rig }: Stage, output: string, more: object = {}): Promise<string> {
  // Before those of the load: few workers take these.
  const job = clip(output, 20, { queue: 'live', priority: 'high', ...more });
  const [id = ''] = await rig.submit(1, () => job);
  return id;
}

async function busyWith(
  { rig }: Stage,
  job: string,
): Promise<{ worker: RealWorker; ffmpeg: number } | undefined> {
  const ffmpeg = await freeze(job, 15_000).catch(() => undefined);
  if (ffmpeg === undefined) return undefined;
  const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${ffmpeg}/status`, 'utf8'))?.[1]);
  const worker = fleets.get(rig)?.workers.find(({ program }) => program.pid === parent && program.running);
  if (worker !== undefined) return { worker, ffmpeg };
  process.kill(ffmpeg, 'SIGCONT');
  return undefined;
}

async function kill(rig: Rig, worker: RealWorker): Promise<void> {
  const fleet = fleets.get(rig);
  fleet?.workers.splice(fleet.workers.indexOf(worker), 1);
  worker.program.signal('SIGKILL');
  await worker.program.exit();
  expect(worker.program.child.signalCode).toBe('SIGKILL');
}
