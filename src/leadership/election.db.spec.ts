/** The election on a real PostgreSQL, with several masters in this process; test/e2e kills and stops real ones. */
import { pino } from 'pino';
import type pg from 'pg';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { Election } from './election.js';
import { FENCE, fenceValues } from './fence.sql.js';
import type { Term } from './leadership.js';
import { LeadershipMetrics } from './leadership.metrics.js';
import { type LockSession, openLockSession } from './lock-session.js';

const database = useDatabase();
const running: Election[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((election) => election.beforeApplicationShutdown()));
  await eventually(async () => expect(await lockHolders()).toEqual([]));
});

interface Options {
  enabled?: boolean;
  openSession?: () => Promise<LockSession>;
  signals?: LocalSignals;
}

function master(number: number, options: Options = {}) {
  const registry = new Registry();
  const history: string[] = [];
  const election = new Election({
    masterId: idOf(number),
    enabled: options.enabled ?? true,
    openSession: options.openSession ?? (() => openLockSession(database.dsn)),
    signals: options.signals ?? new LocalSignals(),
    metrics: new LeadershipMetrics(registry),
    logger: pino({ level: 'silent' }),
  });
  election.onTermStart((term) => history.push(`start ${term.epoch}`));
  election.onTermEnd((term) => history.push(`end ${term.epoch}`));
  election.onApplicationBootstrap();
  running.push(election);
  return { election, history, registry };
}

const idOf = (number: number) => `00000000-0000-4000-8000-00000000000${number}`;

const leading = ({ election }: { election: Election }) =>
  eventually(() => {
    const { term } = election;
    if (term === undefined) throw new Error('does not lead yet');
    return term;
  });

async function leadership() {
  // bigint as a number: nothing here comes near 2^53.
  const { rows } = await database.pool.query(
    'SELECT *, epoch::float8 AS epoch FROM ffmpeg_master.leadership',
  );
  return rows[0];
}

async function lockHolders(): Promise<number[]> {
  const { rows } = await database.pool.query(
    `SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
     WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()`,
  );
  return rows.map(({ pid }: { pid: number }) => pid);
}

const median = (figures: number[]) => figures.sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? NaN;

describe('the election', () => {
  it('makes exactly one of three masters the leader, with a new epoch each term (I4)', async () => {
    const before = (await leadership()).epoch;
    const masters = [master(1), master(2), master(3)];
    await eventually(() => expect(masters.filter(({ election }) => election.isLeader())).toHaveLength(1));
    const term = masters.map(({ election }) => election.term).find((found) => found !== undefined);
    expect(term?.epoch).toBe(before + 1);
    expect(await leadership()).toMatchObject({ epoch: before + 1, master_id: term?.master_id });
    expect(masters.flatMap(({ history }) => history)).toEqual([`start ${before + 1}`]);
  });

  it('never elects a master whose scheduler is disabled', async () => {
    const [off, on] = [master(1, { enabled: false }), master(2)];
    await leading(on);
    await on.election.resign();
    await eventually(() => expect(on.history).toHaveLength(3), { within: 6_000 });
    expect(off.history).toEqual([]);
  });

  it('hands over within 3 × 200 ms when the leader resigns, and the old leader stays away (I11)', async () => {
    const times: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const signals = new LocalSignals();
      const old = master(1, { signals });
      await leading(old);
      const next = master(2, { signals });
      const started = performance.now();
      expect(await old.election.resign()).toBe(true);
      expect(old.election.isLeader()).toBe(false);
      await leading(next);
      times.push(performance.now() - started);
      expect(old.history).toHaveLength(2);
      await Promise.all(running.splice(0).map((election) => election.beforeApplicationShutdown()));
    }
    process.stdout.write(`resignation to next leader: median ${median(times).toFixed(0)} ms of 5\n`);
    expect(median(times)).toBeLessThanOrEqual(3 * 200);
  });

  it('gives leadership back to a single master after its resignation', async () => {
    const only = master(1);
    const { epoch } = await leading(only);
    await only.election.resign();
    expect((await leadership()).master_id).toBeNull();
    expect(await only.election.resign()).toBe(false);
    expect((await leading(only)).epoch).toBe(epoch + 1);
  });

  it('steps down when its lock session is terminated, and another term begins (F5)', async () => {
    const masters = [master(1), master(2)];
    await eventually(() => expect(masters.some(({ election }) => election.isLeader())).toBe(true));
    const first = masters.find(({ election }) => election.isLeader());
    const epoch = first?.election.term?.epoch ?? 0;
    const [pid] = await lockHolders();
    const started = performance.now();
    await database.pool.query('SELECT pg_terminate_backend($1)', [pid]);
    await eventually(() => expect(first?.history).toContain(`end ${epoch}`));
    await eventually(() => expect(masters.flatMap(({ history }) => history)).toContain(`start ${epoch + 1}`));
    process.stdout.write(`lock session cut to next term: ${(performance.now() - started).toFixed(0)} ms\n`);
    expect(await lockHolders()).not.toContain(pid);
  });

  it('trusts no term whose pings are unanswered for 1.5 s, whether a timer ran or not (F8)', async () => {
    let answering = true;
    const openSession = async () => {
      const session = await openLockSession(database.dsn);
      return { ...session, ping: () => (answering ? session.ping() : new Promise<void>(() => undefined)) };
    };
    const { election, history } = master(1, { openSession });
    await leading({ election });
    answering = false;
    const started = performance.now();
    await eventually(() => expect(election.isLeader()).toBe(false));
    expect(performance.now() - started).toBeGreaterThan(900);
    expect(performance.now() - started).toBeLessThan(2_000);
    await eventually(() => expect(history).toHaveLength(2));
  });

  it('has no term any more right after the event loop stood still, before any timer ran (F20)', async () => {
    const old = master(1);
    const term = await leading(old);
    const standstill = performance.now() + 1_700;
    while (performance.now() < standstill);
    expect(old.election.term).toBeUndefined();
    await eventually(() =>
      expect(old.history.slice(0, 2)).toEqual([`start ${term.epoch}`, `end ${term.epoch}`]),
    );
  });

  it('lets the fence of a past term through to nothing, and holds the next term back while one is in flight (I4)', async () => {
    const old = master(1);
    const past = await leading(old);
    const fenced = (client: pg.ClientBase | pg.Pool, term: Term) =>
      client.query(
        `WITH ${FENCE} UPDATE ffmpeg_master.queues SET paused = false FROM fence`,
        fenceValues(term),
      );
    expect((await fenced(database.pool, past)).rowCount).toBe(3);

    const inFlight = await database.pool.connect();
    await inFlight.query('BEGIN');
    expect((await fenced(inFlight, past)).rowCount).toBe(3);
    await old.election.resign();
    const next = master(2);
    await eventually(async () => expect(await lockHolders()).toHaveLength(1));
    await eventually(async () => {
      const { rows } = await database.pool.query(
        `SELECT FROM pg_stat_activity WHERE application_name LIKE '%lock' AND wait_event_type = 'Lock'
         AND datname = current_database()`,
      );
      expect(rows).toHaveLength(1);
    });
    expect(next.election.isLeader()).toBe(false);
    await inFlight.query('COMMIT');
    inFlight.release();
    await leading(next);
    expect((await fenced(database.pool, past)).rowCount).toBe(0);
  });

  it('pins no snapshot: neither the leader nor followers show a backend_xmin', async () => {
    const masters = [master(1), master(2), master(3)];
    await eventually(() => expect(masters.some(({ election }) => election.isLeader())).toBe(true));
    const seen = { samples: 0, pinned: 0, waiting: 0 };
    await eventually(async () => {
      const { rows } = await database.pool.query(
        `SELECT backend_xmin, state FROM pg_stat_activity
         WHERE application_name LIKE '%lock' AND datname = current_database()`,
      );
      seen.samples += 1;
      // A try in flight has one for its microseconds; a session that holds it is idle or waits with it.
      seen.pinned += rows.filter((row) => row.backend_xmin !== null && row.state !== 'active').length;
      seen.waiting += rows.filter((row) => row.state === 'idle').length;
      expect(seen.samples).toBeGreaterThan(30);
    });
    expect(seen.pinned).toBe(0);
    expect(seen.waiting).toBeGreaterThan(60);
  });

  it('shows epoch, changes and time in office', async () => {
    const { election, registry } = master(1);
    const { epoch } = await leading({ election });
    const metrics = await registry.metrics();
    expect(metrics).toContain('ffrtmp_leader 1');
    expect(metrics).toContain(`ffrtmp_leader_epoch ${epoch}`);
    expect(metrics).toContain('ffrtmp_leader_changes_total 1');
    expect(metrics).toMatch(/ffrtmp_leader_term_seconds 0?\.?\d/);
    await election.resign();
    expect(await registry.metrics()).toContain('ffrtmp_leader 0');
  });
});

describe("the database's identity", () => {
  const JUMP = 2 ** 32;

  it.each([
    ['the system identifier', { system_identifier: '1' }],
    ['the timeline', { timeline: 'FFFFFFFF' }],
    ['the oid of leadership', { relation_oid: 1 }],
  ])('makes epoch, tokens and generation jump when %s is another one', async (_, changed) => {
    const first = master(1);
    await leading(first);
    const before = await leadership();
    expect(before.system_identifier).toMatch(/^\d{15,}$/);
    expect(before.timeline).toMatch(/^[0-9A-F]{8}$/);
    const tokenBefore = await nextToken();
    await first.election.beforeApplicationShutdown();

    const [[column, value]] = Object.entries(changed) as [[string, unknown]];
    await database.pool.query(`UPDATE ffmpeg_master.leadership SET ${column} = $1`, [value]);
    const term = await leading(master(2));
    expect(term.epoch).toBe(before.epoch + JUMP + 1);
    expect(await leadership()).toMatchObject({
      generation: before.generation + 1,
      system_identifier: before.system_identifier,
      timeline: before.timeline,
      relation_oid: before.relation_oid,
    });
    expect(await nextToken()).toBeGreaterThan(tokenBefore + JUMP);
  });

  it('is only recorded by the first term of all', async () => {
    await database.pool.query(
      'UPDATE ffmpeg_master.leadership SET system_identifier = NULL, timeline = NULL, relation_oid = NULL',
    );
    const before = await leadership();
    const term = await leading(master(1));
    expect(term.epoch).toBe(before.epoch + 1);
    expect((await leadership()).generation).toBe(before.generation);
    expect((await leadership()).timeline).not.toBeNull();
  });

  async function nextToken(): Promise<number> {
    const { rows } = await database.pool.query(
      `SELECT nextval('ffmpeg_master.lease_tokens')::float8 AS token`,
    );
    return rows[0].token;
  }
});
