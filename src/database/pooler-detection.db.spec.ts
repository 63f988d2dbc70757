import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { holdConnections } from '../../test/support/hold-connections.js';
import { pgbouncerProgram, startPgBouncer, type PgBouncer } from '../../test/support/pgbouncer.js';
import { startPostgresProxy, type PostgresProxy } from '../../test/support/postgres-proxy.js';
import { openSession } from './dedicated-session.js';
import { PooledDatabase } from './pooled-database.js';
import { inspectServer, isPooled, refuseOldVersion, refusePooler } from './pooler-detection.js';
import { statement } from './statement.js';

const one = statement('One', 'SELECT 1 AS one');
const preparedNames = statement('Names', 'SELECT name FROM pg_prepared_statements', { prepared: false });

describe('pooler detection', () => {
  const test = useDatabase({ migrated: false });
  let proxy: PostgresProxy;
  let proxied: string;

  beforeAll(async () => {
    proxy = await startPostgresProxy(test.dsn, { likePooler: true });
    proxied = proxy.dsn;
  });

  afterAll(() => proxy.close());

  it('tells a server from what stands in front of one', async () => {
    expect(await withClient(test.dsn, isPooled)).toBe(false);
    expect(await withClient(proxied, isPooled)).toBe(true);
  });

  it('knows version and recovery of the server', async () => {
    const facts = await withClient(test.dsn, inspectServer);
    expect(facts).toMatchObject({ inRecovery: false, readOnly: false });
    expect(facts.version).toBeGreaterThanOrEqual(150_000);
  });

  it('refuses a pooler where sessions matter, naming the setting and the reason', async () => {
    await expect(openSession({ dsn: proxied, purpose: 'lock' })).rejects.toThrow(
      /database\.direct_dsn is a connection pooler; .*session locks exclude nobody/,
    );
    await expect(
      openSession({ dsn: proxied, purpose: 'migration', key: 'database.migrate_dsn' }),
    ).rejects.toThrow('database.migrate_dsn');
    expect(() =>
      refusePooler({ inRecovery: false, readOnly: false, pooled: false, version: 150_000 }, 'x'),
    ).not.toThrow();
  });

  it('refuses a server before version 15 with its version', () => {
    expect(() =>
      refuseOldVersion(
        { inRecovery: false, readOnly: false, pooled: false, version: 140_012 },
        'database.dsn',
      ),
    ).toThrow(/PostgreSQL 14\.12 server.*15 or newer/);
    expect(() =>
      refuseOldVersion({ inRecovery: false, readOnly: false, pooled: false, version: 150_000 }, 'x'),
    ).not.toThrow();
  });

  it('runs the pool behind one without named statements and start-up parameters', async () => {
    const database = new PooledDatabase({ dsn: proxied, maxOpenConns: 1 });
    try {
      expect((await database.connect()).pooled).toBe(true);
      await database.query(one);
      expect(await database.query(preparedNames)).toEqual([]);
      const timeout = statement('Timeout', `SELECT current_setting('statement_timeout') AS value`);
      expect(await database.query(timeout)).toEqual([{ value: '0' }]);
    } finally {
      await database.close();
    }
  });

  const program = pgbouncerProgram();
  describe.runIf(program !== undefined)('in front of a real PgBouncer', () => {
    let bouncer: PgBouncer;
    beforeAll(async () => {
      bouncer = await startPgBouncer(program ?? '', test.dsn);
    });
    afterAll(() => bouncer.stop());

    it('sees the pooler, refuses it for sessions and serves the pool through it (F13)', async () => {
      await eventually(async () => expect(await withClient(bouncer.dsn, isPooled)).toBe(true));
      await expect(openSession({ dsn: bouncer.dsn, purpose: 'lock' })).rejects.toThrow('direct_dsn');
      const database = new PooledDatabase({ dsn: bouncer.dsn, maxOpenConns: 20 });
      try {
        const answers = await Promise.all(Array.from({ length: 200 }, () => database.query(one)));
        expect(answers).toHaveLength(200);
        expect(await database.query(preparedNames)).toEqual([]);
      } finally {
        await database.close();
      }
    });

    it('keeps connections for hot statements through it', async () => {
      const database = new PooledDatabase({ dsn: bouncer.dsn, maxOpenConns: 4 });
      try {
        await eventually(() => database.connect());
        const held = await holdConnections(database, 2);
        const order: string[] = [];
        const list = database.query(one).then(() => order.push('list'));
        const hot = statement('Hot', 'SELECT 1', { hot: true });
        await Promise.all([1, 2, 3].map(() => database.query(hot).then(() => order.push('hot'))));
        expect(order).toEqual(['hot', 'hot', 'hot']);
        await held.release();
        await list;
      } finally {
        await database.close();
      }
    });
  });
  if (program === undefined) {
    process.stderr.write(
      'SKIPPED: pooler detection in front of a real PgBouncer; install it with: apt-get install pgbouncer\n',
    );
  }
});

async function withClient<T>(dsn: string, ask: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  try {
    return await ask(client);
  } finally {
    await client.end();
  }
}
