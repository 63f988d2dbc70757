/**
 * How each hot query finds its rows, on tables as a busy cluster has them: by which index, and that it reads
 * no more rows than it answers, times a factor that is written beside it.
 *
 * Each is looked at three times: as planned with its values, which is what happens behind a pooler, as the generic
 * plan that a session makes at the first execution and keeps (docs/adr/0014), and as the generic plan that a session
 * kept from the time when the tables were empty. The last is what every master of a new cluster runs with until the
 * first ANALYZE, or for hours where statistics do not change: nothing else tells a session to plan again.
 */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { ExplainingDatabase, PlanSession, type Explained } from '../../test/support/explaining-database.js';
import { fillTables } from '../../test/support/filled-tables.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { stepsOf } from '../../test/support/query-plan.js';

const db = useDatabase();

/** Attempts in a group: enough to tell what grows with it from what grows with its square. */
const GROUP = 300;

/** Dead versions that one look may meet: what is explained is rolled back and leaves one of each row behind. */
const DEAD = 60;

/**
 * Rows of all steps of a plan for one that is answered: a claim of 300 has 24, a report 53. Two lists of 300 that are
 * compared each with each make 300 more of it.
 */
const STEPS = 80;

const BIG = ['jobs', 'job_history', 'job_events', 'idempotency_keys'];
/** A plan that knows its values may scan these once: it knows that it needs a good part of 2,000 rows. */
const NARROW = ['leases', 'nodes', 'node_counters', 'node_presence'];

interface Expected {
  /** The only indexes that rows of these tables may be found by. */
  readonly by: readonly string[];
  /** Rows read for one that is answered. */
  readonly factor: number;
  readonly because: string;
}

const HOT: Record<string, Expected> = {
  ClaimJobs: {
    by: [
      'idx_jobs_queue_priority',
      'ctid',
      'leases_claim',
      'nodes_pkey',
      'idx_nodes_status',
      'node_counters_pkey',
    ],
    factor: 5,
    because:
      'a job is locked in its lane and updated where it was found; a part reads its node; asked again, its lease',
  },
  LookForAnswers: {
    by: ['leases_claim', 'nodes_pkey', 'idx_nodes_status', 'node_counters_pkey'],
    factor: 3,
    because: 'a claim reads its node, and its lease where it has one',
  },
  ReadLaneHeads: { by: ['idx_jobs_queue_priority'], factor: 1, because: 'one probe a lane' },
  ReadLaneHeadsAboveMarks: { by: ['idx_jobs_queue_priority'], factor: 1, because: 'one probe a lane' },
  AnswerAgain: {
    by: ['leases_claim', 'leases_pkey', 'jobs_pkey'],
    factor: 4,
    because: 'a lease is locked and updated, and its job read',
  },
  ExtendLeases: {
    // PostgreSQL 18 may skip through the statuses, of which there are two.
    by: ['leases_pkey', 'node_presence_pkey', 'nodes_pkey', 'idx_nodes_status'],
    factor: 3,
    because: 'a lease is locked and updated; so is the last-seen row of a node, which is then read',
  },
  StartAttempts: {
    by: ['jobs_pkey', 'leases_pkey'],
    factor: 4,
    because: 'job and lease are locked and updated',
  },
  ReportAttempts: {
    by: ['jobs_pkey', 'leases_pkey', 'node_counters_pkey'],
    factor: 6,
    because: 'job and lease are locked and deleted, the counter of one node locked and updated',
  },
  FindReportedJobs: { by: ['jobs_pkey'], factor: 1, because: 'a row each' },
  CreateJob: { by: [], factor: 0, because: 'it only inserts' },
  HandOverJob: {
    by: ['idx_jobs_queue_priority', 'leases_claim', 'node_counters_pkey', 'nodes_pkey', 'idx_nodes_status'],
    factor: 4,
    because: 'the counter of a node is locked and updated, the node read; one probe for a job that waits',
  },
  FindIdempotencyKeys: { by: ['idempotency_keys_pkey'], factor: 1, because: 'a row a key' },
  AppendJobLogs: { by: ['leases_pkey'], factor: 1, because: 'the lease of each chunk' },
  GetJob: { by: ['jobs_pkey', 'leases_pkey'], factor: 2, because: 'the job and its lease' },
  GetJobByNumber: { by: ['idx_jobs_sequence', 'leases_pkey'], factor: 2, because: 'the job and its lease' },
  GetJobs: { by: ['jobs_pkey', 'leases_pkey'], factor: 2, because: 'each job and its lease' },
  GetArchivedJobs: { by: ['job_history_pkey'], factor: 1, because: 'a row an id, on the days it can lie in' },
  GetArchivedJobByNumber: {
    by: ['job_history_tenant_id_sequence_number_idx'],
    factor: 1,
    because: 'one row',
  },
  ListJobs: {
    by: ['idx_jobs_sequence', 'idx_jobs_status', 'jobs_pkey', 'leases_pkey'],
    factor: 3,
    because: 'each job found in its order, then read by its key, and its lease',
  },
  ListArchivedJobs: {
    by: [
      'job_history_tenant_id_sequence_number_idx',
      'job_history_status_tenant_id_sequence_number_idx',
      'job_history_pkey',
    ],
    factor: 2,
    because: 'found in its order, then read by its key',
  },
  ListJobEvents: { by: ['job_events_pkey'], factor: 1, because: 'a row each' },
};

/** Runs every hot query, most of them for a whole group. */
async function drive(database: ExplainingDatabase, signals = new LocalSignals()): Promise<void> {
  const master = await new DispatchMaster(database, signals).start();
  try {
    const node = await master.node({ slots: GROUP, cpu_threads: 64 });
    const others = await db.pool.query<{ id: string }>('SELECT id FROM ffmpeg_master.nodes LIMIT 50');
    await Promise.all(Array.from({ length: GROUP }, () => master.submit()));
    await submitWithKey(master);
    await submitWithKey(master);
    // Within the pause after the first look, the second one reads from the marks.
    await master.lanes.readHeads();
    await master.lanes.readHeads();
    const claim_id = randomUUID();
    const attempts = await master.claim(node, { max_jobs: GROUP, claim_id });
    expect(attempts).toHaveLength(GROUP);
    await master.claim(node, { max_jobs: GROUP, claim_id });
    const idle = await Promise.all(Array.from({ length: 5 }, () => master.node({ queues: ['elsewhere'] })));
    await Promise.all(idle.map((one) => master.claim(one)));
    const beats = attempts.map(({ id, lease_token }) => ({ job_id: id, lease_token, progress: 1 }));
    await master.heartbeats.beat(node, { attempts: beats.map((beat) => ({ ...beat, started: true })) });
    await Promise.all([
      master.heartbeats.beat(node, { attempts: beats }),
      ...others.rows.map(({ id }) => master.heartbeats.beat(id, { attempts: [] })),
    ]);
    const [first, second, ...rest] = attempts;
    await master.logs.append(first!.id, { lease_token: first!.lease_token, offset: 0, text: 'frame=1' });
    await master.jobs.get(PRINCIPAL, first!.id);
    await master.jobs.get(PRINCIPAL, String(first!.sequence_number));
    await master.report(node, second!, { status: 'failed' });
    await master.report(node, second!, { status: 'failed' });
    for (let time = 1; time <= 2; time += 1) {
      await Promise.all(rest.map((attempt) => master.report(node, attempt, { status: 'completed' })));
    }
    const archived = await master.jobs.find(PRINCIPAL, rest[0]!.id);
    await master.jobs.get(PRINCIPAL, String(archived.sequence_number));
    await master.events.list(archived, 0, 100);
    for (const status of [undefined, ['running'], ['queued'], ['running', 'assigned'], ['failed']] as const) {
      await master.jobs.list(PRINCIPAL, { limit: 50, status: status && [...status] });
    }
  } finally {
    master.stop();
  }
}

/**
 * As many submits at once as claims are parked: all of them are handed over, for no job waits. A plan that
 * expects nearly all jobs to wait would look for one by reading all that run.
 */
async function driveHandOver(database: ExplainingDatabase): Promise<void> {
  const master = await new DispatchMaster(database, new LocalSignals()).start();
  try {
    const { rows } = await db.pool.query<{ id: string }>(
      `SELECT id FROM ffmpeg_master.nodes WHERE name LIKE 'filled-%' LIMIT $1`,
      [GROUP],
    );
    const nodes = rows.length === GROUP ? rows.map(({ id }) => id) : [await master.node({ slots: GROUP })];
    const claims = Array.from({ length: GROUP }, (_, k) =>
      master.claim(nodes[k % nodes.length]!, { wait_seconds: 60 }),
    );
    await eventually(
      () => {
        expect(master.claims['parked'].size).toBe(GROUP);
        expect(master.claims['parked'].fresh.size).toBe(0);
        expect([...master.claims['parked']].some(({ riding }) => riding)).toBe(false);
      },
      { within: 30_000 },
    );
    await Promise.all(claims.map(() => master.submit()));
    expect((await Promise.all(claims)).flat()).toHaveLength(GROUP);
    const handed = database.named('HandOverJob').reduce((sum, { returned }) => sum + returned, 0);
    expect(handed).toBe(GROUP);
  } finally {
    master.stop();
  }
}

function submitWithKey(master: DispatchMaster) {
  const options = { route: 'POST /jobs', idempotency_key: 'hot' };
  return master.submits.submit(PRINCIPAL, [{ scenario: 'keyed' }], options);
}

const NOBODY_WAITS = `DELETE FROM ffmpeg_master.jobs WHERE status = 'queued'`;

let fromEmpty: ExplainingDatabase;
let custom: ExplainingDatabase;
let generic: ExplainingDatabase;

beforeAll(async () => {
  // An ANALYZE in the middle would plan anew what shall be looked at.
  for (const table of ['jobs', 'lanes', 'idempotency_keys', ...NARROW])
    await db.pool.query(`ALTER TABLE ffmpeg_master.${table} SET (autovacuum_enabled = false)`);
  const early = await PlanSession.open(db.dsn, 'generic');
  await driveHandOver(new ExplainingDatabase(db.database, early));
  await drive(new ExplainingDatabase(db.database, early));
  await fillTables(db.pool, { waiting: 100_000, running: 2000, archived: 100_000, nodes: 2000 });
  fromEmpty = new ExplainingDatabase(db.database, early);
  await drive(fromEmpty);
  await db.pool.query(`CREATE TABLE kept AS SELECT * FROM ffmpeg_master.jobs WHERE status = 'queued'`);
  await db.pool.query(NOBODY_WAITS);
  await driveHandOver(fromEmpty);
  await early.close();
  await db.pool.query('INSERT INTO ffmpeg_master.jobs SELECT * FROM kept');
  const { rows } = await db.pool.query(
    `SELECT reltuples FROM pg_class WHERE oid = 'ffmpeg_master.jobs'::regclass`,
  );
  expect(rows).toEqual([{ reltuples: -1 }]);

  await db.pool.query('ANALYZE');
  const [customSession, genericSession] = [
    await PlanSession.open(db.dsn, 'custom'),
    await PlanSession.open(db.dsn, 'generic'),
  ];
  custom = new ExplainingDatabase(db.database, customSession);
  generic = new ExplainingDatabase(db.database, genericSession);
  for (const database of [custom, generic]) await drive(database);
  // What the statistics say stays as it is.
  await db.pool.query(NOBODY_WAITS);
  for (const database of [custom, generic]) await driveHandOver(database);
  for (const session of [customSession, genericSession]) await session.close();
}, 120_000);

describe.each(Object.entries(HOT))('%s', (name, { by, factor, because }) => {
  it(`reads at most ${factor} rows for one, planned with its values (${because})`, () => {
    hold(custom.named(name), by, factor, BIG);
  });

  it('does so by the plan that a session keeps', () => {
    hold(generic.named(name), by, factor, [...BIG, ...NARROW]);
  });

  // A list of archived jobs is planned each time, so what it does in the minute before the first ANALYZE of a new day
  // is over with it: it may read all that the day holds (docs/adr/0019).
  if (name === 'ListArchivedJobs') return;
  it('does so by a plan from the time when the tables were empty', () => {
    hold(fromEmpty.named(name), by, factor, [...BIG, ...NARROW]);
  });
});

function hold(explained: Explained[], by: readonly string[], factor: number, tables: readonly string[]) {
  // The same claim again answers with its one slot, after a look at all its leases.
  const answered = explained.filter(({ name, returned }) => returned > (name === 'ClaimJobs' ? 1 : 0));
  expect(answered.length).toBeGreaterThan(0);
  for (const { reads, returned, plan } of answered) {
    expect(stepsOf(plan), 'rows of all steps').toBeLessThanOrEqual(STEPS * returned + DEAD);
    const ours = reads.filter(({ table, rows }) => tables.includes(table) && rows > 0);
    const strayed = ours.filter(({ index }) => index === undefined || !by.includes(index));
    expect(strayed).toEqual([]);
    const read = ours.reduce((sum, { rows }) => sum + rows, 0);
    expect(read, JSON.stringify({ returned, ours })).toBeLessThanOrEqual(factor * returned + DEAD);
  }
}
