/** What the PostgreSQL of a test has logged. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestPostgres } from './test-postgres.js';

/** All that the server wrote since its files were made, restarts included. */
export async function serverLog({ directory }: Pick<TestPostgres, 'directory'>): Promise<string> {
  const folder = join(directory, 'postgresql');
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.log'));
  // Without a file nothing was read, and silence would say nothing.
  if (files.length === 0) throw new Error(`the server in ${folder} has no log`);
  return (await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))).join('\n');
}
