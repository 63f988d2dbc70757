/** A primary that is gone without a word: nothing is closed, and nothing is answered any more. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FaultProxy } from '../../test/faults/rig/fault-proxy.js';
import { startReplicationPair, type ReplicationPair } from '../../test/support/replication-pair.js';
import { PooledDatabase } from './pooled-database.js';
import { ServerLocator } from './server-locator.js';
import { isConnectionLost } from './sql-errors.js';
import { statement } from './statement.js';

const port = statement('Port', 'SELECT inet_server_port() AS port');
const slow = statement('Slow', 'SELECT pg_sleep(2)');

describe('a primary that answers nothing any more', () => {
  let pair: ReplicationPair;
  let proxy: FaultProxy;
  let dsn: string;

  beforeAll(async () => {
    pair = await startReplicationPair();
    proxy = await FaultProxy.start({ host: '127.0.0.1', port: pair.primary.port });
    dsn = pair.primary.dsn.replace(
      `127.0.0.1:${pair.primary.port}`,
      `127.0.0.1:${proxy.port},127.0.0.1:${pair.standby.port}`,
    );
  });
  afterEach(() => proxy.release());
  afterAll(async () => {
    await proxy.close();
    await pair.stop();
  });

  it('is given up for no other one while there is none', async () => {
    const events: string[] = [];
    const database = new PooledDatabase({ dsn, onEvent: (event) => events.push(event) });
    // Longer than the silence after which a pool looks for another server.
    await Promise.all([database.query(slow), database.query(slow)]);
    expect(await database.query(port)).toEqual([{ port: pair.primary.port }]);
    expect(events).toEqual([]);
    await database.close();
  });

  it('holds up neither who looks for its heir nor statements that wait for it', async () => {
    const events: string[] = [];
    const database = new PooledDatabase({ dsn, onEvent: (event) => events.push(event) });
    await database.query(port);
    // A minute for each host: what is found was not waited for.
    const locator = new ServerLocator(dsn, { connectTimeoutMs: 60_000 });
    expect((await locator.locate()).name).toBe(`127.0.0.1:${proxy.port}`);

    expect(proxy.hold()).toBeGreaterThan(0);
    proxy.refuse('silent');
    // One on the connection that was there, the others while they wait for one to be made.
    const waiting = Array.from({ length: 4 }, () => database.query(port).catch((error: unknown) => error));
    await pair.promote();
    locator.forget();
    expect((await locator.locate()).name).toBe(`127.0.0.1:${pair.standby.port}`);
    const [sent, ...unsent] = await Promise.all(waiting);
    expect(isConnectionLost(sent), String(sent)).toBe(true);
    expect(String(sent)).toContain('answered nothing any more');
    // What was sent nowhere yet goes to the new one.
    expect(unsent).toEqual(Array.from({ length: 3 }, () => [{ port: pair.standby.port }]));
    expect(events).toEqual([
      `the database moved from 127.0.0.1:${proxy.port} to 127.0.0.1:${pair.standby.port}`,
    ]);
    await database.close();
  });
});
