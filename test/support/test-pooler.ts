/**
 * `TEST_POOLER=pgbouncer`: what tests send over a pool goes through PgBouncer in transaction mode, and their direct
 * sessions past it, as in production. Left out: no pooler.
 */
import { pgbouncerProgram, startPgBouncer, type PgBouncer } from './pgbouncer.js';

export function testsArePooled(): boolean {
  const wanted = process.env.TEST_POOLER ?? '';
  if (wanted !== '' && wanted !== 'pgbouncer')
    throw new Error(`TEST_POOLER is ${wanted}; it may be pgbouncer.`);
  return wanted === 'pgbouncer';
}

/** In front of the server of `dsn`; undefined where no pooler is asked for. */
export async function startTestPooler(dsn: string): Promise<PgBouncer | undefined> {
  if (!testsArePooled()) return undefined;
  const program = pgbouncerProgram();
  if (program === undefined)
    throw new Error('TEST_POOLER=pgbouncer needs PgBouncer; on Debian: apt-get install pgbouncer');
  return startPgBouncer(program, dsn, 20);
}
