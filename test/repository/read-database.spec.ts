/** Who may be answered by a replica, some seconds late: lists and statistics, and nothing that decides. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');

it('only lists and statistics are given the replica', () => {
  const users = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.startsWith('database/'))
    .filter((file) =>
      /database\/(read-database|replica-reads)\.js'/.test(readFileSync(join(SRC, file), 'utf8')),
    )
    // `doctor` takes the bound from there, and reads for itself.
    .filter((file) => file !== 'commands/doctor/judgements.ts');
  expect(users.sort()).toEqual(['dispatch/queue-figures.repository.ts', 'jobs/job-list.repository.ts']);
});
