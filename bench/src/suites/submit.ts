/**
 * Jobs submitted per second: ours over HTTP to one master, the peers by a call of their library in the
 * process that reaches the database. A call is answered when its jobs are committed.
 */
import type { ClosedLoop, Looped } from '../load/closed-loop.js';
import type { BullMqCalls } from '../peers/bullmq.js';
import type { GraphileCalls } from '../peers/graphile.js';
import type { PgBossCalls } from '../peers/pg-boss.js';
import { cpuOf } from '../rig/cpu.js';
import { KEY, Masters } from '../rig/masters.js';
import { type BenchPostgres, queryOnce } from '../rig/postgres.js';
import type { Bench, Suite } from '../suite.js';
import { withFreshDatabase } from './fresh-database.js';
import { type Meters, noteJobsPerSecond } from './jobs-per-second.js';
import { OURS } from './ours.js';

/** One job a call. */
const SINGLE = { callers: 64, seconds: 5 };

/** Of a peer's pool: 64 callers were served best by so many (10, 16, 32 and 64 were tried). */
const GRAPHILE_CONNECTIONS = 16;
const PG_BOSS_CONNECTIONS = 32;
const BULLMQ_CONNECTIONS = 16;

/** Batches of 1,000. */
const BATCH = 1000;
const BATCHES = 200;

/** Batches at a time, a connection each; every side is taken at its best. */
const BATCH_CALLERS = [1, 2, 4];

export const submit: Suite = {
  name: 'submit',
  about: 'jobs submitted per second',
  async run(bench) {
    const postgres = await bench.postgres();
    const ours = await oursOver(bench, postgres);
    const graphile = graphileIn(bench, postgres);
    const pgBoss = pgBossIn(bench, postgres);
    const bullMq = bullMqIn(bench, postgres);
    for (let round = 0; round < bench.rounds; round += 1) {
      await graphile();
      await ours('single', 1, SINGLE);
      await pgBoss('pgboss_send', 1, SINGLE);
      await bullMq();
      await best(bench, 'batch', ours);
      await best(bench, 'pgboss_insert', pgBoss);
    }
    const rate = (name: string) => bench.median(`${name}.jobs_per_second`);
    bench.atLeast('single_vs_pgboss', rate('single') / rate('pgboss_send'), 4);
    bench.atLeast('single_vs_graphile', rate('single') / rate('graphile_addjob'), 5);
    bench.atLeast('batch_vs_pgboss', rate('batch') / rate('pgboss_insert'), 0.5);
    bench.guardStatements('single');
    bench.guardStatements('batch_1_caller');
  },
};

/** One measurement under a name; answers jobs a second. */
type Submit = (name: string, batch: number, loop: ClosedLoop) => Promise<number>;

async function best(bench: Bench, name: string, submit: Submit): Promise<void> {
  const rates: number[] = [];
  for (const callers of BATCH_CALLERS) {
    const label = `${name}_${callers}_caller${callers === 1 ? '' : 's'}`;
    rates.push(await submit(label, BATCH, { callers, calls: BATCHES }));
  }
  bench.add(`${name}.jobs_per_second`, 'jobs/s', Math.max(...rates));
}

async function oursOver(bench: Bench, postgres: BenchPostgres): Promise<Submit> {
  const masters = await Masters.start(1, await postgres.database());
  bench.atEnd(() => masters.stop());
  const load = bench.load();
  const { urls, dsn } = masters;
  const meters = { master: () => masters.cpu(), load: () => cpuOf(load.pid) };
  return async (name, batch, loop) => {
    // As new as a peer's database is, with the master still warm.
    await postgres.fill(dsn, () =>
      queryOnce(postgres.adminDsn(dsn), 'TRUNCATE ffmpeg_master.jobs, ffmpeg_master.job_events'),
    );
    await postgres.resetStatements();
    const { jobs, seconds } = await noteSubmits(bench, name, postgres, meters, batch, () =>
      load.call('submit', { urls, key: KEY, batch, ...loop }),
    );
    const { calls } = await postgres.statements(OURS, dsn);
    bench.add(`${name}.statements_per_job`, 'statements', calls / jobs);
    return jobs / seconds;
  };
}

function graphileIn(bench: Bench, postgres: BenchPostgres): () => Promise<void> {
  const peer = bench.remote<GraphileCalls>('peers/graphile.ts');
  return () =>
    withFreshDatabase(postgres, async (dsn) => {
      await postgres.fill(dsn, () => peer.call('fill', { dsn, jobs: 0 }));
      await noteSubmits(bench, 'graphile_addjob', postgres, { peer: () => cpuOf(peer.pid) }, 1, () =>
        peer.call('submit', { dsn, connections: GRAPHILE_CONNECTIONS, ...SINGLE }),
      );
    });
}

function pgBossIn(bench: Bench, postgres: BenchPostgres): Submit {
  const peer = bench.remote<PgBossCalls>('peers/pg-boss.ts');
  return async (name, batch, loop) => {
    let rate = NaN;
    await withFreshDatabase(postgres, async (dsn) => {
      await postgres.fill(dsn, () => peer.call('fill', { dsn, jobs: 0 }));
      const connections = batch === 1 ? PG_BOSS_CONNECTIONS : loop.callers;
      const meters = { peer: () => cpuOf(peer.pid) };
      const { jobs, seconds } = await noteSubmits(bench, name, postgres, meters, batch, () =>
        peer.call('submit', { dsn, connections, batch, ...loop }),
      );
      rate = jobs / seconds;
    });
    return rate;
  };
}

function bullMqIn(bench: Bench, postgres: BenchPostgres): () => Promise<void> {
  const peer = bench.remote<BullMqCalls>('peers/bullmq.ts');
  return () =>
    withFreshDatabase(postgres, async (dsn) => {
      await postgres.fill(dsn, () => peer.call('fill', { dsn, jobs: 0 }));
      await noteSubmits(bench, 'bullmq', postgres, { peer: () => cpuOf(peer.pid) }, 1, () =>
        peer.call('submit', { dsn, connections: BULLMQ_CONNECTIONS, ...SINGLE }),
      );
    });
}

function noteSubmits(
  bench: Bench,
  name: string,
  postgres: BenchPostgres,
  meters: Meters,
  batch: number,
  submit: () => Promise<Looped>,
) {
  return noteJobsPerSecond(bench, name, postgres, meters, async () => {
    const { calls, seconds } = await submit();
    return { jobs: calls * batch, seconds };
  });
}
