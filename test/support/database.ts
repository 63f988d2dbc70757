/**
 * A fresh database for a spec file, on the server that global-setup.ts started: copied from the migrated
 * template before its tests (tens of milliseconds), dropped after them.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { PooledDatabase } from '../../src/database/pooled-database.js';
import { sessionTimeouts } from '../../src/database/session-timeouts.js';
import { rowTypes } from '../../src/database/row-types.js';
import { migratedTemplate, withDatabase, withPatience } from './dsn.js';
import { prepareTemplate } from './migrated-template.js';
import type {} from './global-setup.js';
import type { PgBouncer } from './pgbouncer.js';
import { startTestPooler, testsArePooled } from './test-pooler.js';
import { startTestPostgres, type TestPostgres } from './test-postgres.js';

export interface TestDatabase {
  /** Known from `beforeAll` on. */
  readonly dsn: string;
  /** The same database for a pool: through PgBouncer where TEST_POOLER asks for it. */
  readonly poolDsn: string;
  /** The same database as the superuser. */
  readonly adminDsn: string;
  /** For looking at tables in a test. */
  readonly pool: pg.Pool;
  /** What repositories take. */
  readonly database: PooledDatabase;
}

/** Filling tables and holding locks take the time that a busy machine gives them, whatever masters may take. */
const PATIENT = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']
  .map((timeout) => `-c ${timeout}=0`)
  .join(' ');

/**
 * Call it at the top of a spec file or of a `describe`.
 * @param options.migrated whether the schema is there; default true
 * @param options.alone on a server of its own: the horizon of running transactions is that of all databases of
 * a server, so the transactions of other specs would hold back the event stream
 */
export function useDatabase(options: { migrated?: boolean; alone?: boolean } = {}): TestDatabase {
  let server: { dsn: string; adminDsn: string; poolDsn: string } = inject('postgres');
  let pooler: PgBouncer | undefined;
  let own: TestPostgres | undefined;
  let made: (TestDatabase & { name: string }) | undefined;
  const inUse = new Set<pg.PoolClient>();

  beforeAll(async () => {
    if (options.alone === true) {
      own = await startTestPostgres();
      await prepareTemplate(own.dsn);
      pooler = await startTestPooler(own.dsn);
      server = { ...own, poolDsn: pooler?.dsn ?? own.dsn };
    }
    const name = await createDatabase(server.dsn, options.migrated ?? true);
    const dsn = withPatience(withDatabase(server.dsn, name));
    const pool = new pg.Pool({ connectionString: dsn, max: 10, types: rowTypes, options: PATIENT });
    // A test that cuts sessions cuts this one's idle ones too.
    pool.on('error', () => undefined);
    pool.on('acquire', (client) => inUse.add(client));
    pool.on('release', (_error, client) => inUse.delete(client));
    const adminDsn = withDatabase(server.adminDsn, name);
    const poolDsn = withPatience(withDatabase(server.poolDsn, name));
    made = { name, dsn, poolDsn, adminDsn, pool, database: new PooledDatabase({ dsn: poolDsn }) };
  });

  afterAll(async () => {
    if (made === undefined) return;
    await made.database.close();
    // A test that failed inside its transaction has kept its client, for which the pool would wait without an end.
    for (const client of inUse) client.release(true);
    await made.pool.end();
    await pooler?.stop();
    if (own) await own.stop();
    else await dropDatabase(server.adminDsn, made.name);
  });

  const existing = () => {
    if (made === undefined) throw new Error('The database exists from beforeAll on; read it inside a test.');
    return made;
  };
  return {
    get dsn() {
      return existing().dsn;
    },
    get poolDsn() {
      return existing().poolDsn;
    },
    get adminDsn() {
      return existing().adminDsn;
    },
    get pool() {
      return existing().pool;
    },
    get database() {
      return existing().database;
    },
  };
}

/** Makes a database and answers its name. For specs that need one each test; `useDatabase` for the others. */
export async function createDatabase(dsn: string, migrated: boolean): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await once(dsn, `CREATE DATABASE ${name} TEMPLATE ${migrated ? migratedTemplate : 'template1'}`);
  // Behind a pooler these are settings of the role in a database, made by `migrate`, and a copy does not have them.
  if (migrated && testsArePooled()) {
    for (const [setting, milliseconds] of Object.entries(sessionTimeouts))
      await once(dsn, `ALTER ROLE CURRENT_USER IN DATABASE ${name} SET ${setting} = ${milliseconds}`);
  }
  return name;
}

export async function dropDatabase(adminDsn: string, name: string): Promise<void> {
  await once(adminDsn, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

async function once(dsn: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
