/** One drain of waiting jobs: throughput, and CPU a job of each process that took part. */
import { cpuOfTree } from '../rig/cpu.js';
import type { BenchPostgres } from '../rig/postgres.js';
import type { Bench } from '../suite.js';

/** Jobs that wait when a drain begins. */
export const BACKLOG = 100_000;

/** Seconds of CPU used so far, by what shall be told: `master`, `worker`, `load`. */
export type Meters = Readonly<Record<string, () => number>>;

/** Runs a drain and notes jobs/s and CPU a job, the database's included, under `name`. */
export async function noteDrain<Drained extends { readonly jobs: number; readonly seconds: number }>(
  bench: Bench,
  name: string,
  postgres: BenchPostgres,
  meters: Meters,
  drain: () => Promise<Drained>,
): Promise<Drained> {
  const all = Object.entries({ ...meters, database: () => cpuOfTree(postgres.pid) });
  const before = all.map(([, meter]) => meter());
  const drained = await drain();
  const used = all.map(([, meter], k) => meter() - (before[k] ?? 0));
  bench.add(`${name}.jobs_per_second`, 'jobs/s', drained.jobs / drained.seconds);
  const told = all.map(([process], k) => {
    const us = ((used[k] ?? 0) / drained.jobs) * 1e6;
    bench.add(`${name}.${process}_us_per_job`, 'µs', us);
    return `${process} ${us.toFixed(1)}`;
  });
  bench.log(`${name}: ${Math.round(drained.jobs / drained.seconds)} jobs/s; µs a job: ${told.join(', ')}`);
  return drained;
}
