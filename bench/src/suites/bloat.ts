/**
 * Whether masters stay fast: through a million jobs, and while somebody else holds a snapshot. One load for
 * both: 256 workers of ten slots report and claim without a pause, and clients keep 100,000 jobs waiting.
 */
import pg from 'pg';
import { MARK, type Streamed } from '../load/stream.js';
import { cpuOfTree } from '../rig/cpu.js';
import { KEY, Masters } from '../rig/masters.js';
import type { BenchPostgres } from '../rig/postgres.js';
import type { RemoteProcess } from '../rig/remote-process.js';
import type { LoadCalls } from '../load/main.js';
import type { Bench, Suite } from '../suite.js';

const WORKERS = { workers: 256, slots: 10 };
const WAITING = 100_000;

/** Settled before the first tenth begins, so that no young process makes the first one slow. */
const WARM_UP = 50_000;
const JOBS = 1_000_000;

/** Seconds. */
const HELD_FOR = 120;
const WINDOW = 30;
const STEP = 10;

const BOUND = 0.8;

export const bloat: Suite = {
  name: 'bloat',
  about: 'throughput after a million jobs, and while another session holds a snapshot',
  async run(bench) {
    const postgres = await bench.postgres();
    for (let round = 0; round < bench.rounds; round += 1) await oneRound(bench, postgres);
    bench.atLeast('churn', bench.median('churn.tenth_10') / bench.median('churn.tenth_1'), BOUND);
    bench.atLeast('open_transaction', bench.median('held.last') / bench.median('held.before'), BOUND);
  },
};

async function oneRound(bench: Bench, postgres: BenchPostgres): Promise<void> {
  const load = bench.load();
  const dsn = await postgres.database();
  const masters = await Masters.start(1, dsn);
  bench.atEnd(() => masters.stop());
  await load.call('startStream', { urls: masters.urls, key: KEY, ...WORKERS, waiting: WAITING });

  const samples: Sample[] = [];
  const sample = async () => {
    const { settled, at, marks } = await load.call('streamed', undefined);
    samples.push({ settled, at, marks, masters: masters.cpu(), database: cpuOfTree(postgres.pid) });
  };

  await until(load, WARM_UP);
  await sample();
  // A step longer than the churn needs, for the window without a transaction must lie within it.
  const enough = WARM_UP + JOBS;
  while (last(samples).settled < enough || samples.length <= WINDOW / STEP) {
    await sleep(STEP);
    await sample();
  }
  tellChurn(bench, last(samples).marks);
  const before = tellWindow(bench, 'before', samples);

  const holder = new pg.Client({ connectionString: postgres.adminDsn(dsn) });
  holder.on('error', () => undefined);
  await holder.connect();
  await holder.query('SET idle_in_transaction_session_timeout = 0');
  await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await holder.query('SELECT count(*) FROM ffmpeg_master.queues');
  const rates: number[] = [];
  for (let second = STEP; second <= HELD_FOR; second += STEP) {
    await sleep(STEP);
    await sample();
    const { rate } = between(samples.at(-2), last(samples));
    rates.push(rate);
    bench.add(`held.after_${second}_s`, 'jobs/s', rate);
  }
  tellWindow(bench, 'last', samples);
  bench.log(
    `${Math.round(before)} jobs/s; with a transaction open, each ${STEP} s: ${rates.map(Math.round).join(' ')}`,
  );
  await holder.query('COMMIT');
  await holder.end();
  await load.call('stopStream', undefined);
  await masters.stop();
  await load.stop();
  await postgres.drop(dsn);
}

/** CPU in seconds so far. */
interface Sample extends Streamed {
  readonly masters: number;
  readonly database: number;
}

/** Jobs per second in each tenth of the million after the warm-up. */
function tellChurn(bench: Bench, marks: readonly number[]): void {
  const at = (jobs: number) => marks[jobs / MARK - 1] as number;
  const rates = Array.from({ length: 10 }, (_, k) => {
    const began = WARM_UP + (k * JOBS) / 10;
    return JOBS / 10 / ((at(began + JOBS / 10) - at(began)) / 1000);
  });
  rates.forEach((rate, k) => bench.add(`churn.tenth_${k + 1}`, 'jobs/s', rate));
  bench.log(`jobs/s in each tenth of a million: ${rates.map(Math.round).join(' ')}`);
}

/** The last seconds. Answers jobs per second. */
function tellWindow(bench: Bench, name: string, samples: readonly Sample[]): number {
  const { rate, masters, database } = between(samples.at(-1 - WINDOW / STEP), last(samples));
  bench.add(`held.${name}`, 'jobs/s', rate);
  bench.add(`held.${name}.master_us_per_job`, 'µs', masters);
  bench.add(`held.${name}.database_us_per_job`, 'µs', database);
  return rate;
}

/** Jobs per second, and µs of CPU a job. */
function between(from: Sample | undefined, to: Sample): { rate: number; masters: number; database: number } {
  if (!from) throw new Error('too few samples');
  const jobs = to.settled - from.settled;
  return {
    rate: (jobs / (to.at - from.at)) * 1000,
    masters: ((to.masters - from.masters) / jobs) * 1e6,
    database: ((to.database - from.database) / jobs) * 1e6,
  };
}

function last(samples: readonly Sample[]): Sample {
  return samples.at(-1) as Sample;
}

async function until(load: RemoteProcess<LoadCalls>, jobs: number): Promise<void> {
  while ((await load.call('streamed', undefined)).settled < jobs) await sleep(0.2);
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
