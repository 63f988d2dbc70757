import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { FaultProxy } from './rig/fault-proxy.js';
import { expectBound } from './rig/figures.js';
import { clip, ENDLESS, ffmpegsOf } from './rig/real-work.js';
import { Rig } from './rig/rig.js';
import { measuring } from './selection.js';

const { repeats } = measuring();

/** Longer than a lease of this rig and than the gap of 5 s that counts as an outage. A master writes that it lives before it
 * answers: of a lease of 3 s a busy machine left its worker nothing. */
const AWAY_MS = 6_500;
const LEASE_MS = 6_000;

let rig: Rig;
/** Where a real worker finds whichever master runs. */
let front: FaultProxy;

beforeAll(async () => {
  rig = await Rig.start({ masters: 2, env: { WORKERS_LEASE_DURATION: `${LEASE_MS}ms` } });
  front = await FaultProxy.start(addressOf(rig.urls()[0]));
});

afterAll(async () => {
  await rig.stop();
  await front.close();
});

it('after an outage no lease is swept for a full period, and the ffmpegs of the living go on (I2, I11, F6)', async () => {
  const [kept = ''] = await rig.submit(1, () => clip('kept.mp4', ENDLESS, { queue: 'live' }));
  await rig.addRealWorker('steady', ['--slots', '1', '--queue', 'live'], {}, [
    `http://127.0.0.1:${front.port}`,
  ]);
  const ffmpegs = await eventually(
    () => {
      const found = ffmpegsOf(kept);
      expect(found).toHaveLength(1);
      return found;
    },
    { within: 30_000 },
  );

  const times: number[] = [];
  for (let k = 0; k < repeats; k += 1) {
    const doomed = await loseWorker(`doomed-${k}`);
    await (k % 2 === 0 ? databaseAway() : mastersAway());
    const { at } = await takenBack(doomed);
    const [{ ended } = { ended: NaN }] = await rig.query<{ ended: number }>(
      'SELECT (extract(epoch FROM outage_ended_at) * 1000)::float8 AS ended FROM ffmpeg_master.cluster_presence',
    );
    times.push(at - ended);
    await cancel(doomed);
  }
  expect(Math.min(...times)).toBeGreaterThanOrEqual(LEASE_MS);
  const measured = `from the first sign of a master after ${AWAY_MS / 1000} s without PostgreSQL, or without masters, in turn, until the event that takes the job of a dead worker back; the lease here is ${LEASE_MS / 1000} s, which is also the least that is allowed`;
  expectBound(
    'outage-grace',
    { event: 'outage ends → first lease swept', boundMs: LEASE_MS + 2_000, measured },
    times,
  );
  expect(ffmpegsOf(kept)).toEqual(ffmpegs);
  await cancel(kept);
  await rig.peace();
});

it('a mere change of leader adds nothing to a lease (I11)', async () => {
  const times: number[] = [];
  for (let k = 0; k < repeats; k += 1) {
    const doomed = await loseWorker(`left-${k}`);
    const [lease] = await rig.query<{ expires: number }>(
      'SELECT (extract(epoch FROM expires_at) * 1000)::float8 AS expires FROM ffmpeg_master.leases WHERE job_id = $1',
      [doomed],
    );
    const leader = await rig.leader();
    await leader.kill();
    rig.history.fault('F2', `killed the leader ${leader.url} while a lease ran out`);
    await rig.addMaster();
    const { at } = await takenBack(doomed);
    times.push(at - (lease?.expires ?? NaN));
    await cancel(doomed);
  }
  const measured =
    'from the end of the lease of a dead worker, whose master was the leader and was killed as well, until the event that takes its job back';
  expectBound(
    'lease-over-new-leader',
    { event: 'lease over → swept by a new leader', boundMs: 1_000, measured },
    times,
  );
  await rig.peace();
});

/** A worker that took a long job and died; answers the job. */
async function loseWorker(name: string): Promise<string> {
  const [job = ''] = await rig.submit(1, () => ({ scenario: name, queue: 'batch' }));
  const [worker] = rig.addWorkers(1, { name, slots: 1, queues: ['batch'], workMs: () => 3_600_000 });
  await eventually(
    async () => {
      const running = await rig.query(
        `SELECT 1 FROM ffmpeg_master.jobs WHERE id = $1 AND status = 'running'`,
        [job],
      );
      expect(running).toHaveLength(1);
    },
    { within: 15_000 },
  );
  worker?.abandon();
  rig.history.fault('F1', `${name} is gone`);
  return job;
}

async function databaseAway(): Promise<void> {
  await rig.server.halt('fast');
  rig.history.fault('F6', `PostgreSQL away for ${AWAY_MS} ms`);
  await pause(AWAY_MS);
  await rig.server.resume();
}

async function mastersAway(): Promise<void> {
  const there = rig.masters.filter(({ running }) => running);
  await Promise.all(there.map((master) => master.kill()));
  rig.history.fault('F2', `all ${there.length} masters away for ${AWAY_MS} ms`);
  await pause(AWAY_MS);
  const [first] = await Promise.all(there.map(() => rig.addMaster()));
  front.retarget(addressOf(first?.url));
}

async function takenBack(job: string): Promise<{ at: number }> {
  return eventually(
    async () => {
      const [event] = await rig.query<{ at: number }>(
        `SELECT (extract(epoch FROM at) * 1000)::float8 AS at
         FROM ffmpeg_master.job_events WHERE job_id = $1 AND type = 'lease_expired'`,
        [job],
      );
      if (event === undefined) throw new Error(`nobody has taken back ${job}`);
      return event;
    },
    { within: 30_000, every: 50 },
  );
}

async function cancel(job: string): Promise<void> {
  const reply = await rig.recorder.intervene({ name: 'rig', url: () => rig.urls()[0] ?? '' }, 'cancel', job);
  expect(reply?.status).toBe(200);
}

function addressOf(url = ''): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}
