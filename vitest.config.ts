/**
 * Projects by what a test needs: nothing (unit), a PostgreSQL (database), the repository itself (repository),
 * whole processes of a built program (processes), those and a quiet machine (e2e), or those and a fault (faults, bounds). `npm test` runs them all, of the faults a
 * selection.
 */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { selectedFaults } from './test/faults/selection.js';

/** Vitest leaves one core idle; on two cores that halves the speed. One more, since some files mostly wait. */
const maxWorkers = Math.max(3, availableParallelism());

const besideOthers = [
  'test/deploy/*.e2e.spec.ts',
  'test/e2e/postgres-away.e2e.spec.ts',
  'test/e2e/up-once.e2e.spec.ts',
];

const setupFiles = ['reflect-metadata'];
const database = './test/support/global-setup.ts';
const freshBuild = './test/support/fresh-build.ts';

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.spec.ts', 'test/model/**/*.spec.ts', 'test/faults/**/*.spec.ts'],
          exclude: ['**/*.db.spec.ts', '**/*.fault.spec.ts', '**/*.bound.spec.ts', '**/*.chaos.spec.ts'],
          setupFiles,
          maxWorkers,
          // Machines that run tests are shared: a property that takes one second took ten.
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'database',
          include: ['src/**/*.db.spec.ts', 'test/{fuzz,ffrtmp}/**/*.db.spec.ts'],
          globalSetup: [database],
          setupFiles,
          maxWorkers,
          // Copying the template takes tens of milliseconds; on a machine that stood still it took over a minute.
          testTimeout: 90_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'repository',
          include: ['test/repository/**/*.spec.ts'],
          maxWorkers,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // Whole processes that measure no time, or mostly wait for a clock: beside the others.
          name: 'processes',
          include: besideOthers,
          globalSetup: [freshBuild],
          setupFiles,
          maxWorkers,
          testTimeout: 240_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.spec.ts'],
          exclude: besideOthers,
          tags: [
            {
              name: 'runtime',
              description: 'Meets the runtime or the SQL of a release: `npm run test:matrix` repeats it.',
            },
          ],
          globalSetup: [freshBuild, database],
          setupFiles,
          // One file at a time, after all others: whole clusters measure time on these same cores.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          // Faults in real processes, of which most wait: two files at a time, after all others.
          name: 'faults',
          include: selectedFaults('fault'),
          globalSetup: [freshBuild],
          setupFiles,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          testTimeout: 240_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          // Times that guarantees bound, each on a machine that does nothing else.
          name: 'bounds',
          include: selectedFaults('bound'),
          globalSetup: [freshBuild],
          setupFiles,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          testTimeout: 600_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          // For as long as one asks for: `npm run chaos` alone, so without files in any other run.
          name: 'chaos',
          include: process.env.CHAOS_MINUTES === undefined ? [] : ['test/faults/chaos/*.chaos.spec.ts'],
          globalSetup: [freshBuild],
          setupFiles,
        },
      },
    ],
  },
});
