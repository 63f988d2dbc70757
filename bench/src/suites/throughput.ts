import { Masters } from '../rig/masters.js';
import type { Suite } from '../suite.js';
import { drainThroughMasters } from './ours.js';

export const throughput: Suite = {
  name: 'throughput',
  about: 'jobs handed out and settled per second',
  async run(bench) {
    const postgres = await bench.postgres();
    const load = bench.load();
    const masters = await Masters.start(1, await postgres.database());
    bench.atEnd(() => masters.stop());
    for (let round = 0; round < bench.rounds; round += 1) {
      await drainThroughMasters(bench, 'single', { postgres, masters, load }, { workers: 256, slots: 1 });
      await drainThroughMasters(bench, 'batch10', { postgres, masters, load }, { workers: 256, slots: 10 });
    }
  },
};
