import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { startReplicationPair, type ReplicationPair } from '../../test/support/replication-pair.js';
import { stopEmbeddedPostgres } from './embedded/embedded-postgres.js';
import { PooledDatabase } from './pooled-database.js';
import { NoServerError, ServerLocator } from './server-locator.js';
import { codeOf, isConnectionLost } from './sql-errors.js';
import { statement } from './statement.js';

const port = statement('Port', 'SELECT inet_server_port() AS port');
const write = statement('Write', 'CREATE TABLE IF NOT EXISTS written (n integer)', { prepared: false });

describe('ServerLocator, over a primary and its standby', () => {
  let pair: ReplicationPair;
  const opened: PooledDatabase[] = [];

  beforeAll(async () => {
    pair = await startReplicationPair();
  });
  afterAll(() => pair.stop());
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()));
  });

  it('passes by what is a standby and keeps its choice', async () => {
    const locator = new ServerLocator(pair.dsn);
    const choice = await locator.locate();
    expect(choice.name).toBe(`127.0.0.1:${pair.primary.port}`);
    expect(choice).toMatchObject({ inRecovery: false, pooled: false });
    expect(await locator.locate()).toBe(choice);
    locator.forget();
    expect(await locator.locate()).not.toBe(choice);
  });

  it('takes the first that answers where reading is enough', async () => {
    const choice = await new ServerLocator(pair.dsn, { readWrite: false }).locate();
    expect(choice.name).toBe(`127.0.0.1:${pair.standby.port}`);
    expect(choice.inRecovery).toBe(true);
  });

  it('says of each server why it will not do, and no password', async () => {
    const dsn = pair.standby.dsn.replace('127.0.0.1:', '127.0.0.1:1,127.0.0.1:');
    const error: unknown = await new ServerLocator(dsn).locate().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NoServerError);
    expect((error as Error).message).toMatch(
      new RegExp(`127.0.0.1:1: .*ECONNREFUSED.*; 127.0.0.1:${pair.standby.port}: is a standby`),
    );
    expect(JSON.stringify(error) + String(error)).not.toContain(new URL(pair.standby.dsn).password);
  });

  it('falls back to plain with prefer, as libpq does, and not with require', async () => {
    const prefer = pair.primary.dsn.replace('sslmode=disable', 'sslmode=prefer');
    expect((await new ServerLocator(prefer).locate()).identity).toMatch(/ plain$/);
    const require = pair.primary.dsn.replace('sslmode=disable', 'sslmode=require');
    await expect(new ServerLocator(require).locate()).rejects.toThrow(/with TLS: .*SSL/);
  });

  it('finds a wrong password to be one, without trying it in plain again', async () => {
    const wrong = pair.primary.dsn.replace(/:[^:@]+@/, ':wrong@');
    const error: unknown = await new ServerLocator(wrong).locate().catch((reason: unknown) => reason);
    expect((error as NoServerError).failures).toMatchObject([{ code: '28P01' }]);
  });

  it('leads the pool away from a server that turned read-only, and from a dead one to its heir', async () => {
    const events: string[] = [];
    const database = new PooledDatabase({ dsn: pair.dsn, onEvent: (event) => events.push(event) });
    opened.push(database);
    await database.query(write);
    expect(await database.query(port)).toEqual([{ port: pair.primary.port }]);

    await setReadOnly('on');
    await eventually(async () =>
      expect(codeOf(await database.query(write).catch((error: unknown) => error))).toBe('25006'),
    );
    await expect(database.query(port)).rejects.toThrow(`127.0.0.1:${pair.primary.port}: is set read-only`);
    await setReadOnly('off');
    await eventually(() => database.query(write));

    await stopEmbeddedPostgres(pair.primary.directory);
    await expect(database.query(write)).rejects.toSatisfy(isConnectionLost);
    await pair.promote();
    await eventually(async () => {
      await database.query(write);
      expect(await database.query(port)).toEqual([{ port: pair.standby.port }]);
    });
    expect(events).toContain(
      `the database moved from 127.0.0.1:${pair.primary.port} to 127.0.0.1:${pair.standby.port}`,
    );
  });

  async function setReadOnly(value: 'on' | 'off'): Promise<void> {
    const client = new pg.Client({ connectionString: pair.primary.adminDsn });
    await client.connect();
    await client.query('SET default_transaction_read_only = off');
    await client.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
    await client.query('SELECT pg_reload_conf()');
    await client.end();
  }
});
