/**
 * What a job costs with four masters over one, for the same workers. Each side has a PostgreSQL of its own,
 * so that no idle master of the other is counted; all processes are warm.
 */
import { KEY, Masters } from '../rig/masters.js';
import type { Suite } from '../suite.js';
import { type Cluster, drainThroughMasters } from './ours.js';

const WORKERS = { workers: 256, slots: 1 };

/** Jobs a master before anything is counted: a fresh process takes twice the time for its first thousands. */
const WARM_UP = 20_000;

export const scale: Suite = {
  name: 'scale',
  about: 'CPU a job with four masters, over one',
  async run(bench) {
    const sides: { name: string; cluster: Cluster }[] = [];
    for (const count of [1, 4]) {
      const postgres = await bench.postgres();
      const masters = await Masters.start(count, await postgres.database());
      bench.atEnd(() => masters.stop());
      sides.push({ name: `masters_${count}`, cluster: { postgres, masters, load: bench.load() } });
    }
    for (const { cluster } of sides) await warmUp(cluster);
    for (let round = 0; round < bench.rounds; round += 1) {
      for (const { name, cluster } of sides) await drainThroughMasters(bench, name, cluster, WORKERS);
    }
    const cpu = (name: string) =>
      bench.median(`${name}.master_us_per_job`) + bench.median(`${name}.database_us_per_job`);
    bench.atMost('cpu_per_job_4_vs_1', cpu('masters_4') / cpu('masters_1'), 1.3);
    for (const { name } of sides) bench.guardStatements(name);
  },
};

async function warmUp({ masters: { urls }, load }: Cluster): Promise<void> {
  const jobs = WARM_UP * urls.length;
  await load.call('fill', { urls, key: KEY, jobs });
  await load.call('enroll', { urls, key: KEY, ...WORKERS });
  await load.call('drain', { jobs });
}
