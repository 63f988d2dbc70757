import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { useDatabase } from '../../../test/support/database.js';
import { eventually } from '../../../test/support/eventually.js';
import { LocalSignals } from '../../../test/support/local-signals.js';
import { Settings } from '../../config/settings.js';
import { ClusterFiguresRepository } from '../../duties/cluster-figures.repository.js';
import { dayOf, DAY_MS } from '../../jobs/job-days.js';
import { decodeCursor, type EventCursor } from './event-cursor.js';
import { EventReader, PAGE } from './event-reader.js';
import { EventStreamRepository, READ_EVENTS } from './event-stream.repository.js';
import { EventStream, type StreamClient } from './event-stream.js';
import { EventTail } from './event-tail.js';
import { JobEventFollower } from './job-event-follower.js';
import { JobEventFollowerRepository } from './job-event-follower.repository.js';

const server = useDatabase({ alone: true });
const clients: Client[] = [];
const raw: pg.Client[] = [];
let signals: LocalSignals;

beforeEach(async () => {
  signals = new LocalSignals();
  await server.pool.query('TRUNCATE ffmpeg_master.job_events');
  await server.pool.query('UPDATE ffmpeg_master.leadership SET generation = 1');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.cut();
  for (const client of raw.splice(0)) await client.end();
});

describe('the stream of all events', () => {
  it('begins at the present end and shows what follows, in order', async () => {
    await event(1);
    const client = await live(master());
    await event(2);
    await event(3);
    signals.send('event');
    await eventually(() => expect(client.seen).toEqual([2, 3]));
  });

  it('shows what a transaction committed out of order, without gap or repeat (I10)', async () => {
    const client = await live(master());
    const [first, second] = [await connected(), await connected()];
    await first.query('BEGIN');
    await event(1, {}, first);
    await second.query('BEGIN');
    await event(2, {}, second);
    await second.query('COMMIT');
    signals.send('event');
    // The second is committed, and kept back by the first.
    await eventually(async () => expect(await heldBack()).toBeGreaterThan(0));
    await event(3);
    expect(client.seen).toEqual([]);
    await first.query('COMMIT');
    await eventually(() => expect(client.seen).toEqual([1, 2, 3]));
    expect(await heldBack()).toBe(0);
  });

  it('is not torn by a transaction that is rolled back, nor by a foreign one', async () => {
    const client = await live(master());
    const [ours, foreign] = [await connected(), await connected()];
    await foreign.query('BEGIN');
    await foreign.query('SELECT pg_current_xact_id()');
    await ours.query('BEGIN');
    await event(1, {}, ours);
    await event(2);
    await ours.query('ROLLBACK');
    expect(client.seen).toEqual([]);
    await foreign.query('COMMIT');
    await eventually(() => expect(client.seen).toEqual([2]));
  });

  it('loses and repeats nothing under random interleaving, watched through two masters (I10)', async () => {
    const seed = Date.now() % 1_000_000;
    process.stdout.write(`seed ${seed}\n`);
    const random = generator(seed);
    const masters = [master(), master()] as const;
    const watcher = await live(masters[0]);
    let hopper = await live(masters[1]);
    const hopped: number[] = [];
    const writers = await Promise.all(Array.from({ length: 6 }, () => connected()));
    // Cut in the middle of anything, it resumes at another master.
    const hop = async () => {
      hopper.cut();
      hopped.push(...hopper.seen);
      hopper = await live(masters[random() < 0.5 ? 0 : 1], hopper.lastId);
    };
    let hopping = Promise.resolve();
    let number = 0;
    const kept: number[] = [];
    await Promise.all(
      writers.map(async (writer) => {
        for (let round = 0; round < 25; round += 1) {
          await writer.query('BEGIN');
          const mine: number[] = [];
          for (let k = 0; k <= random() * 3; k += 1) {
            number += 1;
            mine.push(number);
            await event(number, {}, writer);
          }
          const fails = random() < 0.2;
          await writer.query(fails ? 'ROLLBACK' : 'COMMIT');
          if (!fails) kept.push(...mine);
          signals.send('event');
          if (random() < 0.1) hopping = hopping.then(hop);
        }
      }),
    );
    await hopping;
    signals.send('event');
    const all = kept.sort((a, b) => a - b);
    const sorted = (numbers: number[]) => [...numbers].sort((a, b) => a - b);
    await eventually(() => expect(sorted(watcher.seen)).toEqual(all));
    await eventually(() => expect(sorted([...hopped, ...hopper.seen])).toEqual(all));
  });

  it('resumes at another master after the last event, catching up over pages (I10)', async () => {
    const first = await live(master());
    await event(1);
    signals.send('event');
    await eventually(() => expect(first.seen).toEqual([1]));
    first.cut();
    const missed = PAGE * 2 + 7;
    await events(2, missed);
    const second = await live(master(), first.lastId);
    await eventually(() => expect(second.seen).toHaveLength(missed));
    await event(missed + 2);
    signals.send('event');
    await eventually(() => expect(second.seen).toHaveLength(missed + 1));
    expect(second.seen).toEqual(Array.from({ length: missed + 1 }, (_, k) => k + 2));
  });

  it('resumes without repeat although nothing of what passed was for it', async () => {
    const here = master();
    const client = await live(here, undefined, (row) => row.queue === 'live');
    await event(1, { queue: 'default' });
    signals.send('event');
    const from = client.lastId;
    await eventually(() => expect(client.stream?.position?.id).toBeGreaterThan(0));
    expect(client.lastId).toBe(from);
    expect(client.seen).toEqual([]);
  });

  it('goes over midnight, and over days without events', async () => {
    const today = Date.parse(await databaseDay());
    const days = [-9, -8, -8, -3, -1, 0].map((days) => dayOf(today + days * DAY_MS));
    for (const [k, day] of days.entries()) {
      await server.pool.query(`SELECT ffmpeg_master.make_partition('job_events', $1::date)`, [day]);
      await event(k + 1, { day });
    }
    // A transaction that began before midnight and took its id after one that began later.
    await event(7, { day: dayOf(today - DAY_MS) });
    await settled();
    const start: EventCursor = { generation: 1, xid: 3n, id: 0, day: days[0] ?? '' };
    const client = await live(master(), `1-3-0-${start.day.replaceAll('-', '')}`);
    await eventually(() => expect(client.seen).toEqual([1, 2, 3, 4, 5, 6, 7]));
  });

  it('leaves no day on which something is held back, however long that takes', async () => {
    const today = Date.parse(await databaseDay());
    const foreign = await connected();
    await foreign.query('BEGIN');
    await foreign.query('SELECT pg_current_xact_id()');
    const days = [-4, -4, 0].map((days) => dayOf(today + days * DAY_MS));
    for (const [k, day] of days.entries()) {
      await server.pool.query(`SELECT ffmpeg_master.make_partition('job_events', $1::date)`, [day]);
      await event(k + 1, { day });
    }
    const { reader } = master();
    let cursor: EventCursor = { generation: 1, xid: 3n, id: 0, day: days[0] ?? '' };
    const seen: number[] = [];
    const read = async () => {
      for (let more = true; more;) {
        const page = await reader.next(cursor);
        if (!page) throw new Error('another generation');
        seen.push(...page.rows.map(({ data }) => Number(data?.['number'])));
        ({ cursor, more } = page);
      }
    };
    await read();
    expect(seen).toEqual([]);
    await foreign.query('COMMIT');
    await settled();
    await read();
    expect(seen).toEqual([1, 2, 3]);
  });

  it('polls: it shows events although every signal is lost (F9)', async () => {
    const client = await live(master());
    signals.lost = true;
    await event(1);
    await eventually(() => expect(client.seen).toEqual([1]), { within: 3000 });
  });

  it.each([
    ['an older generation', async () => `0-3-0-${(await databaseDay()).replaceAll('-', '')}`, 'generation'],
    [
      'a future the database lost',
      async () => `1-9000000000-0-${(await databaseDay()).replaceAll('-', '')}`,
      'generation',
    ],
    ['a day past retention', async () => '1-3-0-20200101', 'retention'],
  ])('answers reset to a cursor of %s, and goes on from now', async (_case, cursor, reason) => {
    await event(1);
    const client = await live(master(), await cursor());
    expect(client.resets).toEqual([reason]);
    await event(2);
    signals.send('event');
    // The first too, where a transaction of another spec on this server still kept it back.
    await eventually(() => expect(client.seen.at(-1)).toBe(2));
  });

  it.each([
    ['the same master', () => undefined],
    ['another one', master],
  ])('goes on from a position before which nothing else was written, at %s', async (_case, other) => {
    await event(1);
    const first = master();
    const again = other() ?? first;
    // A quiet server, which the one that all specs share never is: nothing runs, and nothing begins meanwhile.
    const { horizon, ...state } = await first.reader.open();
    for (const { reader } of [first, again])
      reader.open = async () => ({ ...state, horizon, next_xid: horizon });
    const client = await live(first);
    client.cut();
    expect(decodeCursor(client.lastId ?? '')).toMatchObject({ xid: horizon, id: 0 });
    const back = await live(again, client.lastId);
    expect(back.resets).toEqual([]);
    await event(2);
    signals.send('event');
    await eventually(() => expect(back.seen.at(-1)).toBe(2));
  });

  it('answers reset to an event of a transaction that has not begun', async () => {
    const here = master();
    const state = await here.reader.open();
    here.reader.open = async () => state;
    const client = await live(here, `1-${state.next_xid}-1-${state.today.replaceAll('-', '')}`);
    expect(client.resets).toEqual(['generation']);
  });

  it('tells live streams of a new generation, and shows all of it', async () => {
    const client = await live(master());
    await event(1);
    signals.send('event');
    await eventually(() => expect(client.seen).toEqual([1]));
    await server.pool.query('UPDATE ffmpeg_master.leadership SET generation = 2');
    await event(2, { generation: 2 });
    signals.send('event');
    await eventually(() => expect(client.seen).toEqual([1, 2]));
    expect(client.resets).toEqual(['generation']);
    expect(client.lastId).toMatch(/^2-/);
  });

  it('shares one reader among all live streams of a master', async () => {
    const here = master();
    const many = await Promise.all(Array.from({ length: 20 }, () => live(here)));
    const before = here.reads();
    await event(1);
    signals.send('event');
    await eventually(() => many.forEach((client) => expect(client.seen).toEqual([1])));
    expect(here.reads() - before).toBeLessThan(10);
  });
});

describe('the stream of one job', () => {
  it('waits for nobody, shares statements, and loses nothing', async () => {
    const repository = new JobEventFollowerRepository(server.database);
    const follower = new JobEventFollower(repository, signals);
    follower.onModuleInit();
    const foreign = await connected();
    await foreign.query('BEGIN');
    await foreign.query('SELECT pg_current_xact_id()');
    const [one, two] = [uuidv7(), uuidv7()];
    await event(1, { job_id: one });
    const seen: number[] = [];
    const others: number[] = [];
    const leave = follower.watch(one, 0, ({ n }) => seen.push(n));
    follower.watch(two, 0, ({ n }) => others.push(n));
    await eventually(() => expect(seen).toEqual([1]));
    await event(2, { job_id: one });
    await event(1, { job_id: two });
    signals.send('event', one);
    await eventually(() => expect([seen, others]).toEqual([[1, 2], [1]]));
    leave();
    await event(3, { job_id: one });
    await event(2, { job_id: two });
    signals.resync();
    await eventually(() => expect(others).toEqual([1, 2]));
    expect(seen).toEqual([1, 2]);
    follower.onModuleDestroy();
  });
});

it('locks only the partitions of the days it reads', async () => {
  const today = await databaseDay();
  await server.database.transaction(async (transaction) => {
    const repository = new EventStreamRepository(transaction as never);
    await repository.read({ generation: 1, xid: 3n, id: 0, day: today }, 10);
    const locks = await transaction.query<{ locks: number }>({
      name: 'CountLocks',
      text: `SELECT count(*)::int AS locks FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
             WHERE l.pid = pg_backend_pid() AND c.relname ~ '^job_events_[0-9]+$'`,
      prepared: false,
    });
    expect(locks[0]?.locks).toBeLessThanOrEqual(3);
  });
});

it('reads a page from the index in its order, however long the day', async () => {
  const today = await databaseDay();
  for (let round = 0; round < 20; round += 1) await events(1 + round * 1000, 1000);
  await server.pool.query('ANALYZE ffmpeg_master.job_events');
  const { rows } = await server.pool.query(
    'SELECT max(xid::text::bigint) AS xid, max(id) AS id FROM ffmpeg_master.job_events',
  );
  const yesterday = dayOf(Date.parse(today) - DAY_MS);
  const tomorrow = dayOf(Date.parse(today) + DAY_MS);
  // After half of them, as a stream that catches up; and at the end, as a live one.
  for (const [xid, id, most] of [
    [rows[0].xid - 11, 0, PAGE + 10],
    [rows[0].xid, rows[0].id, 0],
  ]) {
    const values = [yesterday, tomorrow, 1, String(xid), id, PAGE];
    const explained = await server.pool.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${READ_EVENTS.text}`, values);
    const scans = nodesOf(explained.rows[0]['QUERY PLAN'][0].Plan).filter((node) =>
      String(node['Relation Name']).startsWith('job_events'),
    );
    // An empty partition may be read without its index.
    const readers = scans.filter((scan) => rowsOf(scan) > 0);
    for (const scan of readers) {
      expect(scan['Index Name']).toMatch(/generation_xid_id/);
      expect(rowsOf(scan)).toBeLessThanOrEqual(most);
    }
    expect(readers).toHaveLength(most > PAGE ? 1 : 0);
  }
});

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a plan as PostgreSQL prints it
function rowsOf(scan: any): number {
  return (scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0)) * scan['Actual Loops'];
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a plan as PostgreSQL prints it
function nodesOf(plan: any): any[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

interface Master {
  reader: EventReader;
  tail: EventTail;
  reads: () => number;
}

function master(): Master {
  const settings = new Settings();
  settings.signals.poll_interval = 200;
  const repository = new EventStreamRepository(server.database);
  let reads = 0;
  const read = repository.read.bind(repository);
  repository.read = (cursor, limit) => {
    reads += 1;
    return read(cursor, limit);
  };
  const reader = new EventReader(repository, settings);
  return {
    reader,
    tail: new EventTail(reader, signals, settings, pino({ level: 'silent' })),
    reads: () => reads,
  };
}

/** A client that reads frames as an EventSource does. */
class Client implements StreamClient {
  readonly end = new AbortController();
  readonly closed = this.end.signal;
  readonly seen: number[] = [];
  readonly resets: string[] = [];
  lastId: string | undefined;
  stream: EventStream | undefined;

  write(frame: string): void {
    if (this.closed.aborted) return;
    this.lastId = /^id: (.*)$/m.exec(frame)?.[1] ?? this.lastId;
    const data = /^data: (.*)$/m.exec(frame)?.[1];
    if (!data) return;
    if (frame.includes('event: reset')) this.resets.push(JSON.parse(data).reason);
    else this.seen.push(JSON.parse(data).data.number);
  }
  async drained(): Promise<void> {}
  cut(): void {
    this.end.abort();
  }
}

async function live(
  { reader, tail }: Master,
  from?: string,
  filter: (row: { queue: string }) => boolean = () => true,
): Promise<Client> {
  const client = new Client();
  clients.push(client);
  client.stream = new EventStream(client, reader, tail, filter);
  await client.stream.follow(from === undefined ? undefined : decodeCursor(from), await reader.open());
  return client;
}

interface Written {
  day?: string;
  generation?: number;
  queue?: string;
  job_id?: string;
}

const TODAY = `(now() AT TIME ZONE 'UTC')::date`;

async function event(
  number: number,
  written: Written = {},
  on: pg.Client | pg.Pool = server.pool,
): Promise<void> {
  await on.query(
    `INSERT INTO ffmpeg_master.job_events
       (day, job_id, n, generation, type, to_status, attempt, tenant_id, queue, data)
     VALUES (coalesce($2::date, ${TODAY}), $3, $4, $5, 'test', 'queued', 0, 'default', $6,
             jsonb_build_object('number', $1::int))`,
    [
      number,
      written.day ?? null,
      written.job_id ?? uuidv7(),
      written.job_id ? number : 1,
      written.generation ?? 1,
      written.queue ?? 'default',
    ],
  );
}

/** Each in a transaction of its own, as fast as may be. */
async function events(first: number, count: number): Promise<void> {
  await server.pool.query(
    `INSERT INTO ffmpeg_master.job_events
       (day, job_id, n, generation, type, to_status, attempt, tenant_id, queue, data)
     SELECT ${TODAY}, gen_random_uuid(), 1, 1, 'test', 'queued', 0, 'default', 'default',
            jsonb_build_object('number', k)
     FROM generate_series($1::int, $1::int + $2::int - 1) AS k`,
    [first, count],
  );
}

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.dsn });
  await client.connect();
  raw.push(client);
  return client;
}

/** Other specs write on this server too: waits until no transaction of theirs keeps an event back. */
async function settled(): Promise<void> {
  await eventually(async () => {
    const { rows } = await server.pool.query(
      'SELECT FROM ffmpeg_master.job_events WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()) LIMIT 1',
    );
    expect(rows).toHaveLength(0);
  });
}

function heldBack(): Promise<number> {
  return new ClusterFiguresRepository(server.database).heldBackSeconds();
}

async function databaseDay(): Promise<string> {
  const { rows } = await server.pool.query(`SELECT ${TODAY} AS day`);
  return rows[0].day;
}

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
