/** Throughput of one run of work, and CPU a job of each process that took part. */
import { cpuOfTree } from '../rig/cpu.js';
import type { BenchPostgres } from '../rig/postgres.js';
import type { Bench } from '../suite.js';

/** Seconds of CPU used so far, by what shall be told: `master`, `worker`, `load`. */
export type Meters = Readonly<Record<string, () => number>>;

export interface Done {
  readonly jobs: number;
  readonly seconds: number;
}

/** Runs the work and notes jobs/s and CPU a job, the database's included, under `name`. */
export async function noteJobsPerSecond<Of extends Done>(
  bench: Bench,
  name: string,
  postgres: BenchPostgres,
  meters: Meters,
  work: () => Promise<Of>,
): Promise<Of> {
  const all = Object.entries({ ...meters, database: () => cpuOfTree(postgres.pid) });
  const before = all.map(([, meter]) => meter());
  const done = await work();
  const used = all.map(([, meter], k) => meter() - (before[k] ?? 0));
  bench.add(`${name}.jobs_per_second`, 'jobs/s', done.jobs / done.seconds);
  const told = all.map(([process], k) => {
    const us = ((used[k] ?? 0) / done.jobs) * 1e6;
    bench.add(`${name}.${process}_us_per_job`, 'µs', us);
    return `${process} ${us.toFixed(1)}`;
  });
  bench.log(`${name}: ${Math.round(done.jobs / done.seconds)} jobs/s; µs a job: ${told.join(', ')}`);
  return done;
}
