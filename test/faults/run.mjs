/**
 * `npm run test:faults [-- --seed S] [FILE…]`: every fault of docs/test-plan.md in real processes, every bound with ten
 * repeats, the wide scenes of the model and the long fuzz. What chance decides follows from the seed, which is printed.
 * Figures go to test/faults/figures, from which `npm run docs:reliability` writes docs/reliability.md.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '../..');
const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' } },
  allowPositionals: true,
});
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 32));
if (!/^\d+$/.test(seed)) {
  console.error(`--seed is ${seed}; it must be a whole number.`);
  process.exit(2);
}
console.log(`seed ${seed}: repeat with npm run test:faults -- --seed ${seed}`);
const projects = ['unit', 'database', 'faults', 'bounds'].flatMap((name) => ['--project', name]);
const files = positionals.length > 0 ? positionals : ['test/faults', 'test/model', 'test/fuzz'];
const child = spawn(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...projects, ...files],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      FAULTS: 'full',
      FAULT_SEED: seed,
      FUZZ_SEED: seed,
      FAULT_FIGURES: process.env.FAULT_FIGURES ?? join(root, 'test/faults/figures'),
    },
  },
);
child.on('close', (status) => (process.exitCode = status ?? 1));
