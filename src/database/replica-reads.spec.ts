import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Metrics } from '../metrics/metrics.js';
import type { Queryable } from './database.js';
import type { PooledDatabase } from './pooled-database.js';
import { ReplicaMetrics } from './replica.metrics.js';
import { ReplicaReads } from './replica-reads.js';
import { statement, type Statement } from './statement.js';

const where = statement('Where', 'SELECT 1');

/** A server that answers where it is, and a last sign of so many milliseconds. */
class Server {
  sign = 1_000_000;
  /** What it answers any statement with instead. */
  trouble: (() => Promise<never>) | undefined;

  constructor(readonly name: string) {}

  query = <Row>({ name }: Statement): Promise<Row[]> => {
    if (this.trouble !== undefined) return this.trouble();
    return Promise.resolve([name === 'ReadLastSign' ? { at: this.sign } : { at: this.name }] as Row[]);
  };
  transaction = <T>(work: (source: Queryable) => Promise<T>): Promise<T> => work(this);
  connect = () => Promise.resolve({ name: this.name });
}

function scene() {
  const [primary, replica] = [new Server('primary'), new Server('replica')];
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const metrics = new Metrics();
  const reads = new ReplicaReads({
    primary,
    replica: replica as unknown as PooledDatabase,
    metrics: new ReplicaMetrics(metrics),
    log,
  });
  const figure = async (line: string) =>
    (await metrics.registry.metrics())
      .split('\n')
      .find((one) => one.startsWith(`ffrtmp_replica_${line} `))
      ?.split(' ')[1];
  const from = async () => (await reads.read((source) => source.query<{ at: string }>(where)))[0]?.at;
  return { primary, replica, reads, lines, figure, from };
}

function failing(code: string, message = code): () => Promise<never> {
  return () => Promise.reject(Object.assign(new Error(message), { code }));
}

afterEach(() => void vi.useRealTimers());

describe('lists and statistics', () => {
  it('come from the primary until the replica was found well, then from the replica', async () => {
    const { reads, from, lines, figure } = scene();
    expect(await from()).toBe('primary');
    await reads.look();
    expect(await from()).toBe('replica');
    expect(lines).toEqual(['lists and statistics are read from the replica replica']);
    expect([await figure('up'), await figure('behind_seconds')]).toEqual(['1', '0']);
    expect(await figure('reads_total{server="primary"}')).toBe('1');
    expect(await figure('reads_total{server="replica"}')).toBe('1');
  });

  it('come from the primary while the replica is more than ten seconds behind, which is told once', async () => {
    const { reads, primary, from, lines, figure } = scene();
    await reads.look();
    primary.sign += 10_000;
    await reads.look();
    expect(await from()).toBe('replica');
    primary.sign += 1;
    await reads.look();
    primary.sign += 5_000;
    await reads.look();
    expect(await from()).toBe('primary');
    expect(await figure('behind_seconds')).toBe('15.001');
    expect(await figure('up')).toBe('0');
    primary.sign -= 15_001;
    await reads.look();
    expect(await from()).toBe('replica');
    expect(lines.slice(1)).toEqual([
      'lists and statistics are read from the primary, since the replica of database.replica_dsn will not do: it is 10 s behind',
      'lists and statistics are read from the replica replica',
    ]);
  });

  it('are answered by the primary in the same request when the replica is lost, and from then on', async () => {
    const { reads, replica, from, lines, figure } = scene();
    await reads.look();
    replica.trouble = failing('ECONNREFUSED', 'connect ECONNREFUSED');
    expect(await from()).toBe('primary');
    replica.trouble = undefined;
    expect(await from()).toBe('primary');
    expect(lines.at(-1)).toMatch(/will not do: connect ECONNREFUSED$/);
    expect(await figure('up')).toBe('0');
    await reads.look();
    expect(await from()).toBe('replica');
  });

  it.each([
    ['gave the statement up for its replay', '40001'],
    ['has no such table yet', '42P01'],
    ['has no such column yet', '42703'],
  ])('are answered by the primary where the replica %s, which is no reason to leave it', async (_, code) => {
    const { reads, replica, from } = scene();
    await reads.look();
    replica.trouble = failing(code);
    expect(await from()).toBe('primary');
    replica.trouble = undefined;
    expect(await from()).toBe('replica');
  });

  it('that take too long there are not tried on the primary as well', async () => {
    const { reads, replica, from } = scene();
    await reads.look();
    replica.trouble = failing('57014');
    await expect(from()).rejects.toMatchObject({ code: '57014' });
  });

  it('leave a replica that gives no answer, and stay with one while nothing is known of the primary', async () => {
    const { reads, replica, primary, from, lines } = scene();
    await reads.look();
    primary.trouble = failing('ECONNREFUSED');
    await reads.look();
    expect(await from()).toBe('replica');
    primary.trouble = undefined;
    replica.trouble = () => new Promise(() => undefined);
    vi.useFakeTimers();
    const looked = reads.look();
    await vi.advanceTimersByTimeAsync(2_000);
    await looked;
    expect(await from()).toBe('primary');
    expect(lines.at(-1)).toMatch(/no answer within 2000 ms$/);
  });

  it('show no figure where no replica is set', async () => {
    const metrics = new Metrics();
    new ReplicaMetrics(metrics);
    expect(await metrics.registry.metrics()).not.toMatch(/^ffrtmp_replica_\w+[ {]/m);
  });
});
