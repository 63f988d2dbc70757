/**
 * What holds for every kind of request that shares statements: one statement while the last is in flight,
 * nobody fails with a neighbour, and a lost answer does no harm. On a real database: what breaks a statement
 * is the database's to say.
 */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { holdConnections } from '../../test/support/hold-connections.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { WatchedDatabase } from '../../test/support/watched-database.js';
import { PooledDatabase } from '../database/pooled-database.js';
import { statement } from '../database/statement.js';
import type { SubmitJob } from '../protocol/submit-job.js';
import type { AttemptRow } from './claim.repository.js';

const db = useDatabase();
let watched: WatchedDatabase;
let master: DispatchMaster;
let node: string;

beforeEach(async () => {
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.job_logs, ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
  );
  watched = new WatchedDatabase(db.database);
  master = await new DispatchMaster(watched, new LocalSignals()).start();
  node = await master.node({ slots: 100 });
});

afterEach(() => master.stop());

interface Kind {
  readonly statement: string;
  /** One request that is in order; `k` tells it from others. */
  readonly ask: (k: number) => Promise<unknown>;
  /** One that breaks the statement it rides in, whatever let it through. */
  readonly breakIt: () => Promise<unknown>;
  /** What `ask` answers. */
  readonly answer: unknown;
  readonly answerAgain?: unknown;
  /** Statements in flight at the same time; default 1. */
  readonly atOnce?: number;
}

let attempts: AttemptRow[] = [];
const attempt = (k: number) => attempts[k] as AttemptRow;
const lease = (k: number) => ({ job_id: attempt(k).id, lease_token: attempt(k).lease_token });
const submit = (jobs: Partial<SubmitJob>[]) =>
  master.submits.submit(
    PRINCIPAL,
    jobs.map((job) => ({ scenario: 'test', ...job })),
    { route: 'POST /jobs' },
  );

/** Beyond the int that the column is. */
const LONG = { timeout_seconds: 3e9 };

const KINDS: Record<string, Kind> = {
  submits: {
    statement: 'CreateJob',
    ask: () => submit([{}]),
    breakIt: () => submit([LONG]),
    answer: [expect.objectContaining({ status: 'queued' })],
  },
  batches: {
    statement: 'CreateJob',
    ask: () => submit([{}, {}]),
    breakIt: () => submit([{}, LONG]),
    answer: [expect.objectContaining({ status: 'queued' }), expect.objectContaining({ status: 'queued' })],
    atOnce: 2,
  },
  heartbeats: {
    statement: 'ExtendLeases',
    ask: (k) => master.heartbeats.beat(node, { attempts: [{ ...lease(k), progress: 10 + k }] }),
    breakIt: () => master.heartbeats.beat(node, { attempts: [], ram_free_bytes: 1e30 }),
    answer: expect.objectContaining({ attempts: [expect.objectContaining({ lease: 'extended' })] }),
  },
  reports: {
    statement: 'ReportAttempts',
    ask: (k) => master.report(node, attempt(k), { status: 'completed' }),
    breakIt: () => master.report(node, { id: 'nonsense', lease_token: 1 }, { status: 'completed' }),
    answer: 'accepted',
    answerAgain: 'duplicate',
  },
  'log chunks': {
    statement: 'AppendJobLogs',
    ask: (k) =>
      master.logs.append(attempt(k).id, {
        lease_token: attempt(k).lease_token,
        offset: 0,
        text: `line ${k}`,
      }),
    breakIt: () =>
      master.logs.append(attempt(0).id, { lease_token: attempt(0).lease_token, offset: 1e300, text: 'x' }),
    answer: { next_offset: 6 },
  },
};

describe.each(Object.entries(KINDS))(
  '%s',
  (_kind, { statement, ask, breakIt, answer, answerAgain, atOnce = 1 }) => {
    beforeEach(async () => {
      await Promise.all(Array.from({ length: 8 }, () => master.submit()));
      await master.lanes.readHeads();
      attempts = await master.claim(node, { max_jobs: 8 });
      expect(attempts).toHaveLength(8);
      watched.sent.length = 0;
    });

    it('that come while a statement is in flight share the next', async () => {
      const release = watched.hold(statement);
      const first: Promise<unknown>[] = [];
      while (first.length < atOnce) {
        first.push(ask(first.length));
        await eventually(() => expect(watched.count(statement)).toBe(first.length));
      }
      const others = [2, 3, 4, 5, 6].map(ask);
      await turns();
      expect(watched.count(statement)).toBe(atOnce);
      release();
      expect(await Promise.all([...first, ...others])).toEqual([...first, ...others].map(() => answer));
      // And nothing beside them: events ride in the statement of what they tell of.
      expect(watched.sent).toEqual(Array.from({ length: atOnce + 1 }, () => statement));
    });

    it('fail alone where one breaks the statement', async () => {
      const [bad, ...good] = await Promise.allSettled([breakIt(), ...[1, 2, 3].map(ask)]);
      expect(bad).toMatchObject({ status: 'rejected', reason: { code: expect.stringMatching(/^22/) } });
      expect(good).toEqual(good.map(() => ({ status: 'fulfilled', value: answer })));
      // The group, then its four members.
      expect(watched.count(statement)).toBe(5);
    });

    it('do no harm where the answer was lost after the commit', async () => {
      const usual = await changeOf(() => Promise.all([1, 2].map(ask)));
      watched.lose(statement);
      const again = await changeOf(async () => {
        expect(await Promise.all([3, 4].map(ask))).toEqual([3, 4].map(() => answerAgain ?? answer));
      });
      expect(watched.lost).toEqual([statement]);
      expect(watched.count(statement)).toBe(1 + 2);
      expect(again).toEqual(usual);
    });
  },
);

describe('attempts that begin', () => {
  beforeEach(async () => {
    await Promise.all(Array.from({ length: 6 }, () => master.submit()));
    await master.lanes.readHeads();
    attempts = await master.claim(node, { max_jobs: 6 });
    watched.sent.length = 0;
  });
  const begin = (k: number) =>
    master.heartbeats.beat(node, { attempts: [{ ...lease(k), started: true, progress: 1 }] });

  it('while others do share one statement, behind that of their heartbeats', async () => {
    const release = watched.hold('StartAttempts');
    const first = begin(0);
    await eventually(() => expect(watched.count('StartAttempts')).toBe(1));
    const others = [1, 2, 3, 4, 5].map(begin);
    await turns();
    release();
    await Promise.all([first, ...others]);
    expect(watched.sent).toEqual(['ExtendLeases', 'StartAttempts', 'ExtendLeases', 'StartAttempts']);
  });

  it('begin once where the answer was lost after the commit', async () => {
    watched.lose('StartAttempts');
    await Promise.all([0, 1].map(begin));
    expect(watched.lost).toEqual(['StartAttempts']);
    const { rows } = await db.pool.query(
      `SELECT count(*)::int AS events, count(DISTINCT job_id)::int AS jobs FROM ffmpeg_master.job_events WHERE type = 'started'`,
    );
    expect(rows).toEqual([{ events: 2, jobs: 2 }]);
  });
});

describe('claims', () => {
  it('that come while a statement is in flight share the next, and fail alone', async () => {
    await Promise.all(Array.from({ length: 8 }, () => master.submit()));
    await master.lanes.readHeads();
    watched.sent.length = 0;
    const release = watched.hold('ClaimJobs');
    const first = master.claim(node);
    await eventually(() => expect(watched.count('ClaimJobs')).toBe(1));
    const bad = master.claim(node, { claim_id: 'nonsense' }).catch((error: unknown) => error);
    const others = [1, 2, 3, 4].map(() => master.claim(node));
    await turns();
    expect(watched.count('ClaimJobs')).toBe(1);
    release();
    const given = (await Promise.all([first, ...others])).flat();
    expect(new Set(given.map((job) => job.id)).size).toBe(5);
    expect(await bad).toMatchObject({ code: expect.stringMatching(/^22/) });
    // The first; the group of five; each of the five by itself.
    expect(watched.count('ClaimJobs')).toBe(1 + 1 + 5);
  });

  it('are answered by as many statements as it takes, and by no other', async () => {
    await Promise.all(Array.from({ length: 5 }, () => master.submit()));
    await master.lanes.readHeads();
    watched.sent.length = 0;
    const release = watched.hold('ClaimJobs');
    const first = master.claim(node);
    await eventually(() => expect(watched.count('ClaimJobs')).toBe(1));
    const others = [1, 2, 3, 4].map(() => master.claim(node));
    await turns();
    release();
    expect((await Promise.all([first, ...others])).map((jobs) => jobs.length)).toEqual([1, 1, 1, 1, 1]);
    expect(watched.sent).toEqual(['ClaimJobs', 'ClaimJobs']);
  });

  it('get each job once where the answer was lost after the commit', async () => {
    await Promise.all(Array.from({ length: 4 }, () => master.submit()));
    await master.lanes.readHeads();
    watched.lose('ClaimJobs');
    const impatient = randomUUID();
    const [lost, ...given] = await Promise.allSettled([
      master.claim(node, { claim_id: impatient }),
      ...[1, 2, 3].map(() => master.claim(node, { wait_seconds: 30 })),
    ]);
    expect(watched.lost).toEqual(['ClaimJobs']);
    expect(lost.status).toBe('rejected');
    const again = await master.claim(node, { claim_id: impatient });
    const ids = given.map((one) => (one.status === 'fulfilled' ? one.value.map(({ id }) => id) : one));
    expect(new Set([...ids.flat(), ...again.map(({ id }) => id)]).size).toBe(4);
    const { rows: leases } = await db.pool.query('SELECT count(*)::int AS n FROM ffmpeg_master.leases');
    expect(leases).toEqual([{ n: 4 }]);
  });

  it('that do not wait are answered behind the statement in flight, while parked ones go on waiting', async () => {
    const release = watched.hold('LookForAnswers');
    const parked = master.claim(node, { wait_seconds: 60 });
    await eventually(() => expect(watched.count('LookForAnswers')).toBe(1));
    const empty = [1, 2, 3].map(() => master.claim(node));
    await turns();
    expect(watched.count('LookForAnswers')).toBe(1);
    release();
    expect(await Promise.all(empty)).toEqual([[], [], []]);
    expect(watched.count('LookForAnswers')).toBe(2);
    expect(master.claims['parked'].size).toBe(1);
    master.draining.begin();
    await parked;
  });
});

describe('parked claims', () => {
  let other: DispatchMaster;
  let parked: Promise<AttemptRow[]>[];
  let query: MockInstance<WatchedDatabase['query']>;

  beforeEach(async () => {
    master.stop();
    const signals = new LocalSignals();
    [master, other] = [
      await new DispatchMaster(watched, signals).start(),
      await new DispatchMaster(db.database, signals).start(),
    ];
    const nodes = await Promise.all(Array.from({ length: 20 }, () => master.node({ slots: 1 })));
    parked = nodes.map((id) => master.claim(id, { wait_seconds: 60 }));
    await eventually(() => expect(everybodySits()).toBe(20));
    query = vi.spyOn(watched, 'query');
    watched.sent.length = 0;
  });

  afterEach(async () => {
    master.draining.begin();
    await Promise.all(parked);
    other.stop();
  });

  /** Claims that wait and have nothing left to ask. */
  function everybodySits(): number {
    const all = [...master.claims['parked']];
    return all.filter((claim) => !claim.riding && !master.claims['parked'].fresh.has(claim)).length;
  }

  /** Lanes and slots that claims have asked for. */
  function asked(): { lanes: number[]; slots: number[] }[] {
    const calls = query.mock.calls.filter(([{ name }]) => name === 'ClaimJobs');
    return calls.map(([, values]) => ({ lanes: values?.[2] as number[], slots: values?.[5] as number[] }));
  }

  it('are woken as many as a signal tells of jobs, in one statement', async () => {
    const jobs = [1, 2, 3].map(() => ({ scenario: 'test' }));
    await other.submits.submit(PRINCIPAL, jobs, { route: 'POST /jobs/batch' });
    await eventually(() => expect(master.claims['parked'].size).toBe(17));
    expect(asked().map(({ slots }) => slots)).toEqual([[1, 1, 1]]);
    // It had not heard of the lane.
    expect(watched.sent).toEqual(['ListLanes', 'ClaimJobs']);
  });

  it('are woken by no job that none of them may run', async () => {
    await other.submit({ requirements: { labels: { zone: 'z' } } });
    await other.queues.setPaused(PRINCIPAL, 'batch', true);
    await eventually(() => expect(master['queueDirectory'].get('batch').paused).toBe(true));
    await other.submit({ queue: 'batch' });
    const mine = await other.submit();
    await eventually(() => expect(master.claims['parked'].size).toBe(19));
    expect(asked().flatMap(({ lanes }) => lanes)).toEqual([await laneOf(mine.id)]);
    await other.queues.setPaused(PRINCIPAL, 'batch', false);
  });

  it('take what is submitted while others are handed their jobs by one statement more', async () => {
    const release = watched.hold('HandOverJob');
    const first = master.submit();
    await eventually(() => expect(watched.count('HandOverJob')).toBe(1));
    const others = [1, 2, 3, 4].map(() => master.submit());
    await turns();
    release();
    await Promise.all([first, ...others]);
    expect(watched.sent).toEqual(['FindLane', 'HandOverJob', 'HandOverJob']);
    expect(master.claims['parked'].size).toBe(15);
  });

  async function laneOf(id: string): Promise<number | undefined> {
    const { rows } = await db.pool.query<{ lane_id: number }>(
      'SELECT lane_id FROM ffmpeg_master.leases l JOIN ffmpeg_master.jobs j ON j.id = l.job_id WHERE j.id = $1',
      [id],
    );
    return rows[0]?.lane_id;
  }
});

describe('a group', () => {
  it('is answered after its commit: what fails there fails the request', async () => {
    await db.pool.query(
      `CREATE FUNCTION ffmpeg_master.fail_late() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF NEW.scenario = 'late' THEN RAISE division_by_zero; END IF; RETURN NULL; END $$`,
    );
    await db.pool.query(
      `CREATE CONSTRAINT TRIGGER fail_late AFTER INSERT ON ffmpeg_master.jobs
       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ffmpeg_master.fail_late()`,
    );
    try {
      const [late, good] = await Promise.allSettled([submit([{ scenario: 'late' }]), submit([{}])]);
      expect(late).toMatchObject({ status: 'rejected', reason: { code: '22012' } });
      expect(good.status).toBe('fulfilled');
      const { rows } = await db.pool.query('SELECT scenario FROM ffmpeg_master.jobs');
      expect(rows).toEqual([{ scenario: 'test' }]);
    } finally {
      await db.pool.query('DROP FUNCTION ffmpeg_master.fail_late CASCADE');
    }
  });

  it('of reports fails alone the node whose counter is wrong', async () => {
    const broken = await master.node();
    await Promise.all([1, 2, 3].map(() => master.submit()));
    await master.lanes.readHeads();
    const [lost] = await master.claim(broken);
    const [first, second] = await master.claim(node, { max_jobs: 2 });
    await db.pool.query('UPDATE ffmpeg_master.node_counters SET running = 0 WHERE node_id = $1', [broken]);
    const [bad, ...good] = await Promise.allSettled([
      master.report(broken, lost!, { status: 'completed' }),
      master.report(node, first!, { status: 'completed' }),
      master.report(node, second!, { status: 'failed' }),
    ]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: '23514' } });
    expect(good).toEqual([1, 2].map(() => ({ status: 'fulfilled', value: 'accepted' })));
  });

  it('of claims fails alone the claim of a node that somebody holds', async () => {
    const free = await master.node();
    await Promise.all([1, 2].map(() => master.submit()));
    await master.lanes.readHeads();
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM ffmpeg_master.node_counters WHERE node_id = $1 FOR UPDATE', [node]);
      const [held, other] = await Promise.allSettled([master.claim(node), master.claim(free)]);
      expect(held).toMatchObject({ status: 'rejected', reason: { code: '55P03' } });
      expect(other).toMatchObject({ status: 'fulfilled', value: [{}] });
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
  });

  it('of heartbeats fails alone the lease that somebody holds', async () => {
    await Promise.all([1, 2, 3].map(() => master.submit()));
    await master.lanes.readHeads();
    attempts = await master.claim(node, { max_jobs: 3 });
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM ffmpeg_master.leases WHERE lease_token = $1 FOR UPDATE', [
        attempt(0).lease_token,
      ]);
      const beat = (k: number) => master.heartbeats.beat(node, { attempts: [{ ...lease(k), progress: 50 }] });
      const [bad, ...good] = await Promise.allSettled([0, 1, 2].map(beat));
      expect(bad).toMatchObject({ status: 'rejected', reason: { code: '55P03' } });
      for (const outcome of good)
        expect(outcome).toMatchObject({ value: { attempts: [{ lease: 'extended' }] } });
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
  });
});

describe('with slow statements on all connections but those that are kept', () => {
  let pool: PooledDatabase;
  let busy: DispatchMaster;
  beforeEach(async () => {
    // Eight connections, of which ordinary statements may hold four.
    pool = new PooledDatabase({ dsn: db.dsn, maxOpenConns: 8 });
    busy = await new DispatchMaster(pool, new LocalSignals()).start();
  });
  afterEach(async () => {
    busy.stop();
    await pool.close();
  });

  it('submits, claims, heartbeats, logs and reports go through at once, new lanes and repeats included', async () => {
    const held = await holdConnections(pool, 4);
    const order: string[] = [];
    const list = pool.query(statement('Slow', 'SELECT 1')).then(() => order.push('list'));
    const options = { route: 'POST /jobs', idempotency_key: 'k' };
    const once = () =>
      busy.submits.submit(
        PRINCIPAL,
        [{ scenario: 'test', requirements: { labels: { new: 'lane' } } }],
        options,
      );
    await once();
    await once();
    await busy.submits.submit(PRINCIPAL, [{ scenario: 'a' }, { scenario: 'b' }], {
      route: 'POST /jobs/batch',
    });
    const claim_id = randomUUID();
    const [first] = await busy.claim(node, { claim_id });
    expect(await busy.claim(node, { claim_id })).toEqual([first]);
    const lease = { job_id: first!.id, lease_token: first!.lease_token };
    await busy.heartbeats.beat(node, { attempts: [{ ...lease, started: true, progress: 5 }] });
    await busy.logs.append(first!.id, { lease_token: first!.lease_token, offset: 0, text: 'x' });
    expect(await busy.report(node, first!, { status: 'completed' })).toBe('accepted');
    expect(await busy.report(node, first!, { status: 'completed' })).toBe('duplicate');
    const parked = busy.claim(node, { max_jobs: 5, wait_seconds: 1 });
    await busy.submit();
    expect((await parked).length).toBeGreaterThan(0);
    expect(order).toEqual([]);
    await held.release();
    await list;
  });
});

/** As many turns of the event loop as it takes for requests to get as far as they can. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** How many rows each table gained. */
async function changeOf(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await rows();
  await work();
  const after = await rows();
  return Object.fromEntries(Object.entries(after).map(([table, count]) => [table, count - before[table]!]));
}

async function rows(): Promise<Record<string, number>> {
  const tables = ['jobs', 'job_history', 'job_events', 'job_logs', 'leases'];
  const counts = tables.map((table) => `(SELECT count(*)::int FROM ffmpeg_master.${table}) AS ${table}`);
  const { rows: found } = await db.pool.query<Record<string, number>>(`SELECT ${counts.join(', ')}`);
  return found[0]!;
}
