/** One drain of 100,000 waiting jobs through masters, with the CPU of each process. */
import type { LoadCalls } from '../load/main.js';
import type { Drained } from '../load/drain.js';
import { cpuOf, cpuOfTree } from '../rig/cpu.js';
import { KEY, type Masters } from '../rig/masters.js';
import type { BenchPostgres } from '../rig/postgres.js';
import type { RemoteProcess } from '../rig/remote-process.js';
import type { Bench } from '../suite.js';

export const BACKLOG = 100_000;

export interface Cluster {
  readonly postgres: BenchPostgres;
  readonly masters: Masters;
  readonly load: RemoteProcess<LoadCalls>;
}

/** Fills, drains and notes jobs/s and CPU a job under `name`. */
export async function drainThroughMasters(
  bench: Bench,
  name: string,
  { postgres, masters, load }: Cluster,
  { workers, slots, jobs = BACKLOG }: { workers: number; slots: number; jobs?: number },
): Promise<Drained> {
  await load.call('fill', { urls: masters.urls, key: KEY, jobs });
  await load.call('enroll', { urls: masters.urls, key: KEY, workers, slots });
  const cpu = () => [masters.cpu(), cpuOfTree(postgres.pid), cpuOf(load.pid)] as const;
  const before = cpu();
  const drained = await load.call('drain', { jobs });
  const after = cpu();
  const us = (k: 0 | 1 | 2) => ((after[k] - before[k]) / drained.jobs) * 1e6;
  bench.add(`${name}.jobs_per_second`, 'jobs/s', drained.jobs / drained.seconds);
  bench.add(`${name}.master_us_per_job`, 'µs', us(0));
  bench.add(`${name}.database_us_per_job`, 'µs', us(1));
  bench.add(`${name}.load_us_per_job`, 'µs', us(2));
  bench.add(`${name}.request_p50`, 'ms', drained.latency.p50_ms);
  bench.add(`${name}.request_p99`, 'ms', drained.latency.p99_ms);
  bench.log(
    `${name}: ${Math.round(drained.jobs / drained.seconds)} jobs/s; µs a job: masters ${us(0).toFixed(1)}, database ${us(1).toFixed(1)}, load ${us(2).toFixed(1)}`,
  );
  return drained;
}
