/**
 * From the submit of a job to its start, with 1,000 workers parked at three masters: at low load, in a burst
 * of as many jobs as there are workers, and what the parked workers cost while there is nothing to do.
 */
import type { GraphileCalls } from '../peers/graphile.js';
import { cpuOfTree } from '../rig/cpu.js';
import { KEY, Masters } from '../rig/masters.js';
import type { BenchPostgres } from '../rig/postgres.js';
import type { Bench, Suite } from '../suite.js';
import { withFreshDatabase } from './fresh-database.js';
import type { Cluster } from './ours.js';

const WORKERS = 1000;

/** Submits 5 to 15 ms after each other. */
const PACE = { samples: 500, interval: 10 };

/** Not noted: until the compiler has seen the code. */
const WARM_UP = { samples: 100, interval: 10 };

const BURST = 1000;

/** Only a claim makes leases; a submit that hands its job over makes both and is none. */
const CLAIMS =
  '^(?!.*INSERT INTO ffmpeg_master\\.jobs\\M).*(INSERT INTO|MERGE INTO) ffmpeg_master\\.leases\\M';

/** Until all claims are parked and reports settled, in milliseconds. */
const CALM = 3000;

/** How long nothing happens, in milliseconds. */
const IDLE = 20_000;

export const latency: Suite = {
  name: 'latency',
  about: 'time from a submit to the start of the job',
  async run(bench) {
    const postgres = await bench.postgres();
    const masters = await Masters.start(3, await postgres.database());
    bench.atEnd(() => masters.stop());
    const cluster = { postgres, masters, load: bench.load() };
    await cluster.load.call('park', { urls: masters.urls, key: KEY, workers: WORKERS });
    const graphile = graphileIn(bench, postgres);
    for (let round = 0; round < bench.rounds; round += 1) {
      await graphile();
      await lowLoad(bench, cluster);
      await burst(bench, cluster);
      await idle(bench, cluster);
    }
    bench.atMost('p50_vs_graphile', bench.median('ours.p50') / bench.median('graphile.p50'), 1);
    bench.atMost('p99_ms', bench.median('ours.p99'), 15);
    bench.atMost('burst_ms', bench.median('burst.last_start'), 300);
    bench.atMost('burst_claims', bench.median('burst.claims'), 30);
    bench.atMost('idle_cores', bench.median('idle.cores'), 0.03);
    bench.guardStatements('burst');
  },
};

/** Its workers run in the process that submits, ten at a time. */
function graphileIn(bench: Bench, postgres: BenchPostgres): () => Promise<void> {
  const peer = bench.remote<GraphileCalls>('peers/graphile.ts');
  return () =>
    withFreshDatabase(postgres, async (dsn) => {
      await postgres.fill(dsn, () => peer.call('fill', { dsn, jobs: 0 }));
      await peer.call('latency', { dsn, ...WARM_UP });
      note(bench, 'graphile', await peer.call('latency', { dsn, ...PACE }));
    });
}

async function lowLoad(bench: Bench, { load }: Cluster): Promise<void> {
  await pause(CALM);
  await load.call('latency', WARM_UP);
  note(bench, 'ours', await load.call('latency', PACE));
}

async function burst(bench: Bench, { load, postgres, masters }: Cluster): Promise<void> {
  await pause(CALM);
  await postgres.resetStatements();
  const last = await load.call('burst', { jobs: BURST });
  const claims = await postgres.statements(CLAIMS, masters.dsn);
  await load.call('report', undefined);
  // The masters that were not asked can start their workers by a claim alone.
  if (claims.calls === 0) throw new Error('no statement of a claim was found in pg_stat_statements');
  bench.add('burst.last_start', 'ms', last);
  bench.add('burst.claims', 'statements', claims.calls);
  bench.add('burst.statements_per_job', 'statements', claims.calls / BURST);
  bench.log(`burst: the last of ${BURST} started after ${last.toFixed(0)} ms; ${claims.calls} claims`);
}

async function idle(bench: Bench, cluster: Cluster): Promise<void> {
  await pause(CALM);
  const parked = await coresUsed(cluster);
  await cluster.load.call('beatIdly', true);
  await pause(CALM);
  const beating = await coresUsed(cluster);
  await cluster.load.call('beatIdly', false);
  bench.add('idle.cores', 'cores', parked);
  bench.add('idle_with_heartbeats.cores', 'cores', beating);
  bench.log(`idle: ${parked.toFixed(4)} cores; with heartbeats ${beating.toFixed(4)}`);
}

/** By masters and database, while nothing is submitted. */
async function coresUsed({ masters, postgres }: Cluster): Promise<number> {
  const used = () => masters.cpu() + cpuOfTree(postgres.pid);
  const [before, began] = [used(), performance.now()];
  await pause(IDLE);
  return (used() - before) / ((performance.now() - began) / 1000);
}

function note(bench: Bench, name: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const percentile = (share: number) => sorted[Math.floor(sorted.length * share)] ?? NaN;
  const told = [
    ['p50', percentile(0.5)],
    ['p95', percentile(0.95)],
    ['p99', percentile(0.99)],
    ['max', sorted.at(-1) ?? NaN],
  ] as const;
  for (const [share, ms] of told) bench.add(`${name}.${share}`, 'ms', ms);
  bench.log(`${name}: ${told.map(([share, ms]) => `${share} ${ms.toFixed(2)} ms`).join(', ')}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
