/**
 * Four projects, by what a test needs: nothing (unit), a PostgreSQL (database), whole processes of a built
 * program (e2e), or the repository itself (repository). `npm test` runs them all.
 */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Vitest leaves one core idle; on two cores that halves the speed. */
const maxWorkers = Math.max(2, availableParallelism() - 1);

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
          include: ['src/**/*.spec.ts'],
          exclude: ['**/*.db.spec.ts'],
          setupFiles,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'database',
          include: ['src/**/*.db.spec.ts'],
          globalSetup: [database],
          setupFiles,
          maxWorkers,
          testTimeout: 30_000,
          hookTimeout: 60_000,
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
          name: 'e2e',
          include: ['test/**/*.e2e.spec.ts'],
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
    ],
  },
});
