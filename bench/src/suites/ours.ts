/** One drain of 100,000 waiting jobs through masters, with the CPU of each process. */
import type { LoadCalls } from '../load/main.js';
import type { Drained } from '../load/drain.js';
import { cpuOf } from '../rig/cpu.js';
import { KEY, type Masters } from '../rig/masters.js';
import type { BenchPostgres } from '../rig/postgres.js';
import type { RemoteProcess } from '../rig/remote-process.js';
import type { Bench } from '../suite.js';
import { noteJobsPerSecond } from './jobs-per-second.js';

/** Jobs that wait when a drain begins. */
export const BACKLOG = 100_000;

export interface Cluster {
  readonly postgres: BenchPostgres;
  readonly masters: Masters;
  readonly load: RemoteProcess<LoadCalls>;
}

/** Every statement of ours names its tables with their schema; no peer's does. */
export const OURS = 'ffmpeg_master\\.';

/** Fills, drains and notes jobs/s, CPU and statements a job under `name`. */
export async function drainThroughMasters(
  bench: Bench,
  name: string,
  { postgres, masters, load }: Cluster,
  { workers, slots, jobs = BACKLOG }: { workers: number; slots: number; jobs?: number },
): Promise<Drained> {
  const { urls, dsn } = masters;
  await postgres.fill(dsn, () => load.call('fill', { urls, key: KEY, jobs }));
  await load.call('enroll', { urls, key: KEY, workers, slots });
  await postgres.resetStatements();
  const meters = { master: () => masters.cpu(), load: () => cpuOf(load.pid) };
  const drained = await noteJobsPerSecond(bench, name, postgres, meters, () => load.call('drain', { jobs }));
  const { calls } = await postgres.statements(OURS, dsn);
  bench.add(`${name}.statements_per_job`, 'statements', calls / drained.jobs);
  bench.add(`${name}.request_p50`, 'ms', drained.latency.p50_ms);
  bench.add(`${name}.request_p99`, 'ms', drained.latency.p99_ms);
  return drained;
}
