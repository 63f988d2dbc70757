/** Signals over a real PostgreSQL: between two masters, through lost and silent sessions, and without any. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { useDatabase } from '../../test/support/database.js';
import { PooledDatabase } from '../database/pooled-database.js';
import { ListeningSignals } from './listening-signals.js';
import { SignalMetrics } from './signals.metrics.js';
import { SignalsRepository } from './signals.repository.js';

const database = useDatabase({ migrated: false });
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function master(options: { locate?: () => Promise<pg.ClientConfig>; pollInterval?: number } = {}) {
  const registry = new Registry();
  const pool = new PooledDatabase({ dsn: database.dsn, maxOpenConns: 2 });
  const repository = new SignalsRepository(pool);
  const signals = new ListeningSignals({
    locate: options.locate ?? (async () => ({ connectionString: database.dsn })),
    sendBeat: (payload) => repository.sendBeat(payload),
    pollInterval: options.pollInterval ?? 60_000,
    metrics: new SignalMetrics(registry),
    logger: pino({ level: 'silent' }),
  });
  const heard: string[] = [];
  signals.on('lane', (key, count) => heard.push(`${key}×${count}`));
  const resyncs: string[] = [];
  signals.onResync((why) => resyncs.push(why));
  closing.push(
    () => pool.close(),
    () => signals.onApplicationShutdown(),
  );
  signals.onApplicationBootstrap();
  return { signals, heard, resyncs, registry };
}

const whenUp = (...masters: { signals: ListeningSignals }[]) =>
  eventually(() => masters.forEach(({ signals }) => expect(signals.listenerState).toBe('up')));

describe('signals', () => {
  it('reach the handlers of every master exactly once, the sender included', async () => {
    const [a, b] = [master(), master()];
    await whenUp(a, b);
    a.signals.send('lane', '7', 2);
    expect(a.heard).toEqual(['7×2']);
    await eventually(() => expect(b.heard).toEqual(['7×2']));
    b.signals.send('lane', '8');
    await eventually(() => expect(a.heard).toEqual(['7×2', '8×1']));
    // What a sent before b's answer has come back to a by now, were it to be handled twice.
    expect(b.heard).toEqual(['7×2', '8×1']);
    expect(await b.registry.getSingleMetricAsString('ffrtmp_signals_received_total')).toContain(
      '{topic="lane"} 1',
    );
  });

  it('share a NOTIFY when they come together, and one comes at once', async () => {
    const [a, b] = [master(), master()];
    const ear = new pg.Client({ connectionString: database.dsn });
    await ear.connect();
    closing.push(() => ear.end());
    await ear.query('LISTEN ffmpeg_master');
    const notifications: string[] = [];
    ear.on('notification', ({ payload = '' }) => {
      if (!payload.startsWith('beat')) notifications.push(payload);
    });
    await whenUp(a, b);

    for (let i = 0; i < 500; i += 1) a.signals.send('lane', String(i % 5), 1);
    await eventually(() => expect(b.heard).toHaveLength(5));
    expect(b.heard).toContain('3×100');
    await eventually(() => expect(notifications).toHaveLength(1));

    const started = performance.now();
    let sent = 0;
    while (performance.now() - started < 50) {
      a.signals.send('lane', '9', 1);
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() =>
      expect(b.heard.slice(5).reduce((sum, text) => sum + Number(text.slice(2)), 0)).toBe(sent),
    );
    const count = notifications.length - 1;
    process.stdout.write(`${sent} signals in 50 ms took ${count} NOTIFYs\n`);
    expect(count).toBeLessThanOrEqual(60);
    expect(count).toBeLessThan(sent);
  });

  it('come back with a resync after the session was ended by the server (F5)', async () => {
    const [a, b] = [master(), master()];
    await whenUp(a, b);
    expect(b.resyncs).toEqual(['connected']);
    const { rowCount } = await database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'ffmpeg-master listener' AND datname = current_database()`,
    );
    expect(rowCount).toBe(2);
    await eventually(() =>
      expect([a.resyncs, b.resyncs]).toEqual([
        ['connected', 'connected'],
        ['connected', 'connected'],
      ]),
    );
    a.signals.send('lane', '1', 1);
    await eventually(() => expect(b.heard).toEqual(['1×1']));
  });

  it('find a session that died silently within 5 s, and leave no connection behind (I11, F8)', async () => {
    const link = await freezableLink(Number(new URL(database.dsn).port));
    closing.push(() => link.close());
    const a = master({
      locate: async () => ({
        connectionString: Object.assign(new URL(database.dsn), { port: String(link.port) }).toString(),
      }),
    });
    await whenUp(a);
    link.freeze();
    const frozen = performance.now();
    await eventually(() => expect(a.signals.listenerState).toBe('degraded'), { within: 6_000 });
    const found = performance.now() - frozen;
    process.stdout.write(`silent death found after ${Math.round(found)} ms\n`);
    expect(found).toBeLessThan(5_000);
    expect(found).toBeGreaterThan(1_000);
    link.thaw();
    await eventually(() => expect(a.resyncs).toEqual(['connected', 'connected']));
    await eventually(() => expect(link.open()).toBe(1));
  });

  it('are not needed: a master that never connects polls, and its own signals still arrive (F9)', async () => {
    const a = master({ locate: () => Promise.reject(new Error('no server')), pollInterval: 20 });
    await eventually(() => expect(a.resyncs.length).toBeGreaterThan(2));
    expect(new Set(a.resyncs)).toEqual(new Set(['poll']));
    a.signals.send('lane', '1', 1);
    expect(a.heard).toEqual(['1×1']);
    expect(a.signals.listenerState).toBe('degraded');
    expect(await a.registry.getSingleMetricAsString('ffrtmp_signals_dropped_total')).toContain(
      '{topic="lane"} 1',
    );
  });

  it('survive a handler that throws and one that rejects', async () => {
    const [a, b] = [master(), master()];
    b.signals.on('node', () => {
      throw new Error('a defect');
    });
    const rejecting: () => unknown = () => Promise.reject(new Error('another'));
    b.signals.on('node', rejecting);
    let reached = 0;
    b.signals.on('node', () => (reached += 1));
    await whenUp(a, b);
    a.signals.send('node', 'n');
    await eventually(() => expect(reached).toBe(1));
    a.signals.send('lane', '1', 1);
    await eventually(() => expect(b.heard).toEqual(['1×1']));
    expect(b.signals.listenerState).toBe('up');
  });

  it('close at once, also while there is no database', async () => {
    const a = master({ locate: () => new Promise(() => undefined) });
    const started = performance.now();
    await a.signals.onApplicationShutdown();
    expect(performance.now() - started).toBeLessThan(500);
  });
});

/** A TCP relay that can stop forwarding without closing anything. */
async function freezableLink(target: number) {
  let frozen = false;
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => frozen || to.write(data));
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    freeze: () => (frozen = true),
    thaw: () => (frozen = false),
    open: () => sockets.size / 2,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(resolve);
      }),
  };
}
