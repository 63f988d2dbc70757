/**
 * Jobs handed out and settled per second: ours over HTTP with every feature on, ours by SQL alone, and the
 * peers, whose workers reach the database from their own process. Everybody starts with 100,000 waiting
 * jobs that do nothing.
 */
import { findPgbench, fillForPgbench, runPgbench } from '../peers/pgbench.js';
import type { BullMqCalls } from '../peers/bullmq.js';
import type { GraphileCalls } from '../peers/graphile.js';
import type { PgBossCalls } from '../peers/pg-boss.js';
import { cpuOf, cpuOfEndedChildren } from '../rig/cpu.js';
import { KEY, Masters } from '../rig/masters.js';
import type { BenchPostgres } from '../rig/postgres.js';
import type { StatementCalls } from '../statements/main.js';
import type { Bench, Suite } from '../suite.js';
import { withFreshDatabase } from './fresh-database.js';
import { noteJobsPerSecond } from './jobs-per-second.js';
import { BACKLOG, type Cluster, drainThroughMasters } from './ours.js';

/** A slow drain is cut here, in milliseconds: its rate does not change while so much still waits. */
const WINDOW = 8000;

/** As many as its pool has connections; 2, 4 and 24 fetched no more. */
const PG_BOSS_FETCHERS = 10;

/**
 * 1,360 jobs/s, the median of three windows of 1.2 s; 24 on 26 connections did 1,060, 100 on 26 did 990, all
 * beside other work.
 */
const BULLMQ = { concurrency: 24, connections: 16 };

/** 500 jobs a statement in four lines: did better than two lines, and than 1,000 a statement in two to four. */
const STATEMENTS = { workers: 200, slots: 10, lines: 4 };

const PGBENCH_CLIENTS = [1, 2, 4, 8];

export const throughput: Suite = {
  name: 'throughput',
  about: 'jobs handed out and settled per second',
  async run(bench) {
    const postgres = await bench.postgres();
    const one = await cluster(bench, postgres, 1);
    // On a server of its own: what its masters do while they idle is not counted for others.
    const three = await cluster(bench, await bench.postgres(), 3);
    const drains = [
      graphile(bench, postgres, 'default', WINDOW),
      () => drainThroughMasters(bench, 'single', one, { workers: 256, slots: 1 }),
      pgBoss(bench, postgres, { ordered: true }),
      bullMq(bench, postgres),
      () => drainThroughMasters(bench, 'single_1000_workers', three, { workers: 1000, slots: 1 }),
      graphile(bench, postgres, 'localQueue', 60_000),
      () => drainThroughMasters(bench, 'batch10', one, { workers: 256, slots: 10 }),
      statements(bench, one),
      pgbench(bench, postgres),
      pgBoss(bench, postgres, { ordered: false }),
    ];
    for (let round = 0; round < bench.rounds; round += 1) for (const drain of drains) await drain();
    tell(bench);
  },
};

function tell(bench: Bench): void {
  const rate = (name: string) => bench.median(`${name}.jobs_per_second`);
  const over = (ours: string, peer: string) => rate(ours) / rate(peer);
  bench.atLeast('single_vs_graphile_default', over('single', 'graphile_default'), 4);
  bench.atLeast('single_vs_pgboss_100', over('single', 'pgboss_100'), 4);
  bench.atLeast('single_jobs_per_second', rate('single_1000_workers'), 10_000);
  bench.atLeast('batch10_vs_graphile_localqueue', over('batch10', 'graphile_localqueue'), 0.8);
  bench.atLeast('sql_vs_graphile_localqueue', over('sql', 'graphile_localqueue'), 1.3);
  if (bench.has('pgbench.jobs_per_second')) bench.atLeast('sql_vs_pgbench', over('sql', 'pgbench'), 0.7);
  bench.atMost('master_us_per_job', bench.median('single.master_us_per_job'), 100);
  bench.atMost('database_us_per_job', bench.median('single.database_us_per_job'), 35);
  for (const name of ['single', 'single_1000_workers', 'batch10']) bench.guardStatements(name);
}

async function cluster(bench: Bench, postgres: BenchPostgres, count: number): Promise<Cluster> {
  const masters = await Masters.start(count, await postgres.database());
  bench.atEnd(() => masters.stop());
  return { postgres, masters, load: bench.load() };
}

/** Drains a database of its own, so that each round finds the tables new. */
function graphile(bench: Bench, postgres: BenchPostgres, preset: 'default' | 'localQueue', within: number) {
  const peer = bench.remote<GraphileCalls>('peers/graphile.ts');
  return () =>
    withFreshDatabase(postgres, async (dsn) => {
      await postgres.fill(dsn, () => peer.call('fill', { dsn, jobs: BACKLOG }));
      await noteJobsPerSecond(
        bench,
        `graphile_${preset.toLowerCase()}`,
        postgres,
        { worker: () => cpuOf(peer.pid) },
        () => peer.call('drain', { dsn, jobs: BACKLOG, within, preset }),
      );
      await peer.call('stop', undefined);
    });
}

function pgBoss(bench: Bench, postgres: BenchPostgres, { ordered }: { ordered: boolean }) {
  const peer = bench.remote<PgBossCalls>('peers/pg-boss.ts');
  return () =>
    withFreshDatabase(postgres, async (dsn) => {
      await postgres.fill(dsn, () => peer.call('fill', { dsn, jobs: BACKLOG }));
      await noteJobsPerSecond(
        bench,
        ordered ? 'pgboss_100' : 'pgboss_100_unordered',
        postgres,
        { worker: () => cpuOf(peer.pid) },
        () => peer.call('drain', { dsn, jobs: BACKLOG, within: WINDOW, fetchers: PG_BOSS_FETCHERS, ordered }),
      );
      await peer.call('stop', undefined);
    });
}

/** In no ratio with a bound. */
function bullMq(bench: Bench, postgres: BenchPostgres) {
  const peer = bench.remote<BullMqCalls>('peers/bullmq.ts');
  return () =>
    withFreshDatabase(postgres, async (dsn) => {
      await postgres.fill(dsn, () => peer.call('fill', { dsn, jobs: BACKLOG }));
      await noteJobsPerSecond(bench, 'bullmq', postgres, { worker: () => cpuOf(peer.pid) }, () =>
        peer.call('drain', { dsn, jobs: BACKLOG, within: WINDOW, ...BULLMQ }),
      );
      await peer.call('stop', undefined);
    });
}

/** Beside a master that has nothing to do, since it made the jobs and knows the nodes. */
function statements(bench: Bench, { postgres, masters, load }: Cluster) {
  const worker = bench.remote<StatementCalls>('statements/main.ts');
  const { dsn, urls } = masters;
  const { workers, slots, lines } = STATEMENTS;
  return async () => {
    await postgres.fill(dsn, () => load.call('fill', { urls, key: KEY, jobs: BACKLOG }));
    const nodes = await load.call('enroll', { urls, key: KEY, workers, slots });
    await noteJobsPerSecond(bench, 'sql', postgres, { worker: () => cpuOf(worker.pid) }, () =>
      worker.call('drain', { dsn, nodes, slots, lines, jobs: BACKLOG }),
    );
  };
}

/** The best of some numbers of clients. */
function pgbench(bench: Bench, postgres: BenchPostgres) {
  const program = findPgbench();
  if (program === undefined) {
    bench.skip(
      'pgbench is not installed (on Debian: apt-get install postgresql), so nothing is told of the limit',
    );
    return () => Promise.resolve();
  }
  return () =>
    withFreshDatabase(postgres, async (dsn) => {
      let best = 0;
      for (const clients of PGBENCH_CLIENTS) {
        await postgres.fill(dsn, () => fillForPgbench(dsn, BACKLOG));
        const drained = await noteJobsPerSecond(
          bench,
          `pgbench_${clients}_clients`,
          postgres,
          { worker: cpuOfEndedChildren },
          () => runPgbench(program, dsn, { clients, jobs: BACKLOG }),
        );
        best = Math.max(best, drained.jobs / drained.seconds);
      }
      bench.add('pgbench.jobs_per_second', 'jobs/s', best);
    });
}
