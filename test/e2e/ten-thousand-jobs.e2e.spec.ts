import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { serverLog } from '../support/server-log.js';
import { Cluster } from './support/cluster.js';
import { SnapshotWatch } from './support/snapshot-watch.js';
import { SimulatedWorker } from './support/simulated-worker.js';

const JOBS = 10_000;
const WORKERS = 200;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ masters: 3 });
});

afterAll(() => cluster.stop());

it('10,000 jobs through 3 masters and 200 workers over HTTP: in under a minute, none lost, none doubled (I1, I2, I13, F21)', async () => {
  const urls = cluster.masters.map((master) => master.url);
  const workers = Array.from(
    { length: WORKERS },
    (_, k) => new SimulatedWorker({ urls, slots: 1, name: `sim-${k}`, first: k }),
  );
  await Promise.all(workers.map((worker) => worker.register()));

  const watch = new SnapshotWatch(cluster.pool);
  const started = performance.now();
  const working = workers.map((worker) => worker.work());
  await Promise.all(
    Array.from({ length: 20 }, async (_, k) => {
      const jobs = Array.from({ length: JOBS / 20 }, (_, n) => ({ scenario: `batch ${k} job ${n}` }));
      const { status } = await cluster.api('/jobs/batch', { jobs }, cluster.masters[k % 3]);
      expect(status).toBe(201);
    }),
  );
  const done = () =>
    cluster.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ffmpeg_master.job_history WHERE status = 'completed'`,
    );
  await eventually(async () => expect((await done())[0]?.n).toBe(JOBS), { within: 60_000, every: 200 });
  const seconds = (performance.now() - started) / 1000;
  console.info(`${JOBS} jobs in ${seconds.toFixed(1)} s`);
  for (const worker of workers) worker.stop();
  await Promise.all(working);
  await watch.stop();

  expect(seconds).toBeLessThan(60);
  const given = workers.flatMap((worker) => worker.given);
  expect(given).toHaveLength(JOBS);
  expect(new Set(given.map((one) => one.split(' ')[0])).size).toBe(JOBS);
  expect(workers.reduce((sum, worker) => sum + (worker.outcomes.get('accepted') ?? 0), 0)).toBe(JOBS);
  const attempts = await cluster.query('SELECT 1 FROM ffmpeg_master.job_history WHERE attempt <> 1');
  expect(attempts).toEqual([]);
  expectShortSnapshots(watch);
  expect(cluster.logs).not.toContain('40P01');
  expect(await serverLog(cluster.postgres)).not.toContain('deadlock detected');
  expect(await cluster.verify()).toMatchObject({ status: 0 });
}, 180_000);

/** No session of a master, VACUUM apart, keeps a snapshot for over 5 s; a follower that waits keeps none. */
function expectShortSnapshots(watch: SnapshotWatch): void {
  const { samples, holders, lockSessions } = watch;
  // It did look, and could see: a session shows its snapshot to its own role only.
  expect(samples.length).toBeGreaterThan(10);
  expect(holders.length).toBeGreaterThan(0);
  expect(lockSessions.length).toBeGreaterThan(2 * samples.length);
  const [oldest] = holders;
  console.info(
    `${samples.length} looks, the oldest snapshot ${oldest?.age.toFixed(0)} ms: ${oldest?.session}`,
  );
  expect(oldest?.age, oldest?.query).toBeLessThan(5_000);
  const waiting = lockSessions.filter(({ state, waits }) => state === 'idle' || waits === 'Lock');
  expect(waiting.length).toBeGreaterThan(0);
  expect(waiting.filter(({ holds }) => holds)).toEqual([]);
}
