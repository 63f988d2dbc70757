import type { BenchPostgres } from '../rig/postgres.js';

/** Lends a new database, so that each round of a peer finds its tables new. */
export async function withFreshDatabase(
  postgres: BenchPostgres,
  work: (dsn: string) => Promise<void>,
): Promise<void> {
  const dsn = await postgres.database();
  await work(dsn);
  await postgres.drop(dsn);
}
