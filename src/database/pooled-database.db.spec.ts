import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { holdConnections } from '../../test/support/hold-connections.js';
import { ConnectionPlaces } from './connection-places.js';
import { DatabaseMetrics } from './database.metrics.js';
import { Overloaded } from './overloaded.js';
import { PooledDatabase, type PooledDatabaseOptions } from './pooled-database.js';
import { codeOf, isConnectionLost } from './sql-errors.js';
import { statement } from './statement.js';

const one = statement('One', 'SELECT 1 AS one');
const pid = statement('Pid', 'SELECT pg_backend_pid() AS pid');
const sleep = statement('Sleep', 'SELECT pg_sleep($1)');
const hot = statement('Hot', 'SELECT 1 AS one', { hot: true });
const hotSleep = statement('HotSleep', 'SELECT pg_sleep($1)', { hot: true });

describe('PooledDatabase', () => {
  const test = useDatabase({ migrated: false });
  const opened: PooledDatabase[] = [];

  function open(options: Partial<PooledDatabaseOptions> = {}): PooledDatabase {
    const database = new PooledDatabase({ dsn: test.dsn, ...options });
    opened.push(database);
    return database;
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()));
  });

  it('answers rows, with numbers, days and times in the forms that repositories rely on', async () => {
    const [row] = await open().query(
      statement(
        'Forms',
        `SELECT 9007199254740991::bigint AS big, 1.5::numeric AS exact, '2026-01-02'::date AS day,
                '{"a":[1]}'::jsonb AS document, ARRAY[1, NULL]::bigint[] AS bigs, ARRAY['2026-01-02']::date[] AS days,
                '2026-01-02T03:04:05Z'::timestamptz AS at`,
      ),
    );
    expect(row).toEqual({
      big: 9007199254740991,
      exact: 1.5,
      day: '2026-01-02',
      document: { a: [1] },
      bigs: [1, null],
      days: ['2026-01-02'],
      at: new Date('2026-01-02T03:04:05Z'),
    });
    await expect(open().query(statement('Beyond', 'SELECT 9007199254740993::bigint'))).rejects.toThrow(
      '9007199254740993',
    );
  });

  it('plans a hot statement once a connection, and others for their values as ever', async () => {
    const database = open({ maxOpenConns: 1 });
    const hotSum = statement('HotSum', 'SELECT $1::int + 1 AS sum', { hot: true });
    const sum = statement('Sum', 'SELECT $1::int + 1 AS sum');
    const counted = statement(
      'CountPlans',
      `SELECT name, generic_plans::int AS kept, custom_plans::int AS made FROM pg_prepared_statements
       WHERE name LIKE '%Sum' ORDER BY name`,
    );
    for (let k = 0; k < 2; k += 1) {
      await database.query(hotSum, [k]);
      await database.query(sum, [k]);
      await database.query(hotSum, [k]);
      await database.transaction((transaction) => transaction.query(sum, [k]));
      // What a rollback takes back was set for the transaction alone.
      await database.transaction(() => Promise.reject(new Error('no'))).catch(() => undefined);
    }
    expect(await database.query(counted)).toEqual([
      { name: 'HotSum', kept: 4, made: 0 },
      { name: 'Sum', kept: 0, made: 4 },
    ]);
  });

  it('opens at most max_open_conns and tells those who waited in vain what to do', async () => {
    const database = open({ maxOpenConns: 2, acquireTimeoutMs: 200 });
    // Open before: on a busy machine a connection may take as long as the wait.
    await database.whenConnected(10_000);
    await eventually(() => Promise.all([1, 2].map(() => database.query(hotSleep, [0.05]))), {
      within: 10_000,
    });
    const busy = [database.query(hotSleep, [0.6]), database.query(hotSleep, [0.6])];
    const refused: unknown = await database.query(hot).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Overloaded);
    expect((refused as Error).message).toMatch(/All 2 database connections.*max_open_conns/);
    expect(database.figures().open).toBe(2);
    await Promise.all(busy);
    await expect(database.query(one)).resolves.toEqual([{ one: 1 }]);
  });

  it.each([2, 3, 4, 8])(
    'of %i connections keeps some for hot statements, whatever fills the others',
    async (maxOpenConns) => {
      const registry = new Registry();
      const database = open({
        maxOpenConns,
        maxIdleConns: maxOpenConns,
        metrics: new DatabaseMetrics(registry),
      });
      const ordinary = new ConnectionPlaces(maxOpenConns).ordinary;
      const held = await holdConnections(database, ordinary);
      const order: string[] = [];
      const list = database.query(one).then(() => order.push('list'));
      const next = database
        .transaction((transaction) => transaction.query(one))
        .then(() => order.push('duty'));
      for (let n = 1; n <= 3; n += 1) await database.query(hot).then(() => order.push('claim'));
      expect(order).toEqual(['claim', 'claim', 'claim']);
      const text = await registry.metrics();
      expect(text).toMatch(new RegExp(`^db_connections_in_use ${ordinary}$`, 'm'));
      expect(text).toMatch(/^db_connections_waiting 2$/m);
      expect(database.figures().open).toBeLessThanOrEqual(maxOpenConns);
      await held.release();
      await Promise.all([list, next]);
      expect(order.slice(3).sort()).toEqual(['duty', 'list']);
    },
  );

  it('lets hot statements use all connections, and never opens more than there may be', async () => {
    const database = open({ maxOpenConns: 6 });
    const busy = Promise.all(Array.from({ length: 12 }, () => database.query(hotSleep, [0.2])));
    await eventually(() => expect(database.figures()).toMatchObject({ inUse: 6, waiting: 6 }));
    expect(database.figures().open).toBe(6);
    await busy;
  });

  it('tells ordinary statements that waited in vain which connections were busy', async () => {
    const database = open({ maxOpenConns: 4, acquireTimeoutMs: 500 });
    await database.whenConnected(10_000);
    const held = await holdConnections(database, 2);
    await expect(database.query(one)).rejects.toThrow(/^The 2 of this master's 4 .*max_open_conns/);
    expect(database.figures().waiting).toBe(0);
    await held.release();
    await expect(database.query(one)).resolves.toEqual([{ one: 1 }]);
  });

  it('works with a single connection', async () => {
    const database = open({ maxOpenConns: 1 });
    const held = await holdConnections(database, 1);
    const both = Promise.all([database.query(one), database.query(hot)]);
    await held.release();
    expect(await both).toEqual([[{ one: 1 }], [{ one: 1 }]]);
    expect(database.figures().open).toBe(1);
  });

  it('keeps at most max_idle_conns idle, once the others were of no use for a while', async () => {
    const database = open({ maxIdleConns: 1, idleTrimMs: 1000 });
    let begun = 0;
    const together = () => eventually(() => expect(begun).toBe(6));
    await Promise.all(
      Array.from({ length: 6 }, () =>
        database.transaction(async () => {
          begun += 1;
          await together();
        }),
      ),
    );
    expect(database.figures().open).toBe(6);
    await eventually(() => expect(database.figures()).toMatchObject({ open: 1, idle: 1 }));
  });

  it('closes a connection at the end of its lifetime, and an idle one after its idle time', async () => {
    const aging = open({ connMaxLifetimeMs: 200, connMaxIdleTimeMs: 0 });
    const [first] = await aging.query<{ pid: number }>(pid);
    await eventually(async () => {
      const [now] = await aging.query<{ pid: number }>(pid);
      expect(now?.pid).not.toBe(first?.pid);
    });

    const idling = open({ connMaxLifetimeMs: 0, connMaxIdleTimeMs: 200 });
    await idling.query(one);
    expect(idling.figures().idle).toBe(1);
    await eventually(() => expect(idling.figures().open).toBe(0), { within: 2000 });
  });

  it('keeps connections for ever where both times are 0', async () => {
    const database = open({ connMaxLifetimeMs: 0, connMaxIdleTimeMs: 0, maxIdleConns: 3 });
    const [first] = await database.query<{ pid: number }>(pid);
    await database.query(sleep, [0.3]);
    expect(await database.query(pid)).toEqual([first]);
  });

  it('gives its sessions their time-outs and their name', async () => {
    const [row] = await open().query(
      statement(
        'Settings',
        `SELECT current_setting('statement_timeout') AS statement_timeout, current_setting('lock_timeout') AS lock_timeout,
                current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('application_name') AS name`,
      ),
    );
    expect(row).toEqual({ statement_timeout: '5s', lock_timeout: '2s', idle: '5s', name: 'ffmpeg-master' });
  });

  it('prepares by name what may be prepared, and nothing else', async () => {
    const database = open({ maxOpenConns: 1 });
    await database.query(statement('Prepared', 'SELECT 1'));
    await database.query(statement('Unprepared', 'SELECT 2', { prepared: false }));
    const names = await database.query(
      statement('Names', 'SELECT name FROM pg_prepared_statements ORDER BY name', { prepared: false }),
    );
    expect(names).toEqual([{ name: 'Prepared' }]);
  });

  it('commits a transaction whole or rolls it back whole', async () => {
    const database = open();
    await database.query(statement('MakeKept', 'CREATE TABLE kept (n integer PRIMARY KEY)'));
    const insert = statement('InsertKept', 'INSERT INTO kept VALUES ($1)');
    const count = statement('CountKept', 'SELECT count(*) AS count FROM kept');
    await database.transaction(async (transaction) => {
      await transaction.query(insert, [1]);
      await transaction.query(insert, [2]);
    });
    const failing = database.transaction(async (transaction) => {
      await transaction.query(insert, [3]);
      await transaction.query(insert, [1]);
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    const swallowing = database.transaction(async (transaction) => {
      await transaction.query(insert, [4]);
      await transaction.query(insert, [1]).catch(() => undefined);
    });
    await expect(swallowing).rejects.toThrow('rolled back');
    expect(await database.query(count)).toEqual([{ count: 2 }]);
    expect(database.figures().inUse).toBe(0);
  });

  it('keeps a connection whose statement failed', async () => {
    const database = open({ maxOpenConns: 1 });
    const [before] = await database.query(pid);
    await expect(database.query(statement('Wrong', 'SELECT 1 / 0'))).rejects.toMatchObject({ code: '22012' });
    expect(await database.query(pid)).toEqual([before]);
  });

  it('answers a prepared statement whose table changed meanwhile', async () => {
    const database = open();
    await test.pool.query('CREATE TABLE growing (a integer); INSERT INTO growing VALUES (1)');
    const all = statement('Growing', 'SELECT * FROM growing');
    expect(await database.query(all)).toEqual([{ a: 1 }]);
    await test.pool.query('ALTER TABLE growing ADD COLUMN b integer');
    expect(await database.query(all)).toEqual([{ a: 1, b: null }]);
  });

  it('refuses statements while its gate is closed, as if there were no connection', async () => {
    let reason: string | undefined = 'the schema is not there yet';
    const database = open({ gate: () => reason });
    await database.connect();
    const error: unknown = await database.query(one).catch((refusal: unknown) => refusal);
    expect((error as Error).message).toBe(reason);
    expect(isConnectionLost(error)).toBe(true);
    reason = undefined;
    await expect(database.query(one)).resolves.toEqual([{ one: 1 }]);
  });

  it('lives on when the server cuts its sessions, idle and working ones (F5)', async () => {
    const events: string[] = [];
    const database = open({ maxIdleConns: 3, onEvent: (event) => events.push(event) });
    await Promise.all([database.query(sleep, [0.05]), database.query(sleep, [0.05])]);
    const working = database.query(sleep, [4]).catch((error: unknown) => error);
    await eventually(() => expect(database.figures().inUse).toBe(1));
    await test.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'ffmpeg-master' AND pid <> pg_backend_pid()`,
    );
    const error = await working;
    expect(codeOf(error)).toBe('57P01');
    expect(isConnectionLost(error)).toBe(true);
    await eventually(() => expect(events.join()).toMatch(/an idle connection to 127.0.0.1:\d+ broke/));
    await expect(database.query(one)).resolves.toEqual([{ one: 1 }]);
  });

  it('measures each statement by its name and counts its connections', async () => {
    const registry = new Registry();
    const database = open({ metrics: new DatabaseMetrics(registry) });
    await database.query(one);
    await database.query(one);
    const text = await registry.metrics();
    expect(text).toContain('db_query_duration_seconds_count{query="One"} 2');
    expect(text).toMatch(/^db_connections_open 1$/m);
    expect(text).toMatch(/^db_connections_in_use 0$/m);
    expect(text).toMatch(/^db_connections_idle 1$/m);
  });

  it('reads role settings anew after renew()', async () => {
    const database = open({ maxOpenConns: 1 });
    const show = statement('WorkMem', `SELECT current_setting('work_mem') AS work_mem`);
    await database.query(show);
    await test.pool.query(
      `DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET work_mem = ''7MB''', current_database()); END $$`,
    );
    expect(await database.query(show)).not.toEqual([{ work_mem: '7MB' }]);
    await database.renew();
    expect(await database.query(show)).toEqual([{ work_mem: '7MB' }]);
  });

  it('waits at its end for statements that run, and refuses new ones', async () => {
    const database = open();
    const running = database.query(sleep, [0.2]);
    await eventually(() => expect(database.figures().inUse).toBe(1));
    const closed = database.close();
    await expect(database.query(one)).rejects.toThrow('shutting down');
    await closed;
    await expect(running).resolves.toHaveLength(1);
    expect(database.figures().open).toBe(0);
  });

  it('says where nothing answers, and not the password', async () => {
    const database = open({ dsn: 'postgresql://somebody:geheim@127.0.0.1:1/nothing' });
    const error: unknown = await database.query(one).catch((reason: unknown) => reason);
    expect((error as Error).message).toContain('127.0.0.1:1');
    expect(JSON.stringify(error) + String(error)).not.toContain('geheim');
    expect(isConnectionLost(error)).toBe(true);
  });
});
