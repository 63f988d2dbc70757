/**
 * How the two duties that run all the time find their rows: by which index, and that they read no more than
 * they change, as planned with values, as a session keeps the plan, and as it kept it from the time when
 * the tables were empty. The search for expired leases is excepted: it scans the narrow lease table, whose
 * index on the time of expiry every heartbeat would have to pay for.
 */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { ExplainingDatabase, PlanSession, type Explained } from '../../test/support/explaining-database.js';
import { fillTables } from '../../test/support/filled-tables.js';
import type { Queryable } from '../database/database.js';
import type { Term } from '../leadership/leadership.js';
import { FencedStatements } from './fenced-statements.repository.js';
import { PromoteDueJobsRepository } from './promote-due-jobs.repository.js';
import { RequeueExpiredLeasesRepository } from './requeue-expired-leases.repository.js';

const db = useDatabase();
const term: Term = { epoch: 1, master_id: randomUUID(), since: new Date() };

/** Rows that fall due, or leases that expire, before each run. */
const EACH_TIME = 100;

/** Without its transaction: what is explained would wait for it. */
class Unwrapped extends ExplainingDatabase {
  override transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return work(this);
  }
}

async function drive(database: ExplainingDatabase): Promise<void> {
  const statements = new FencedStatements(database);
  await db.pool.query(
    `UPDATE ffmpeg_master.jobs SET due_at = now() - interval '1 s'
     WHERE id IN (SELECT id FROM ffmpeg_master.jobs WHERE status = 'queued' AND due_at > now() LIMIT $1)`,
    [EACH_TIME],
  );
  await db.pool.query(
    `UPDATE ffmpeg_master.leases SET expires_at = now() - interval '1 s'
     WHERE lease_token IN (SELECT lease_token FROM ffmpeg_master.leases LIMIT $1)`,
    [EACH_TIME],
  );
  // A gap without a master would spare the leases.
  await db.pool.query(
    'UPDATE ffmpeg_master.cluster_presence SET last_seen_at = now(), outage_ended_at = NULL',
  );
  await new PromoteDueJobsRepository(statements).promote(term);
  await new RequeueExpiredLeasesRepository(statements).requeue(term, 0);
}

let fromEmpty: ExplainingDatabase;
let custom: ExplainingDatabase;
let generic: ExplainingDatabase;

beforeAll(async () => {
  for (const table of ['jobs', 'leases', 'node_counters', 'nodes', 'lanes'])
    await db.pool.query(`ALTER TABLE ffmpeg_master.${table} SET (autovacuum_enabled = false)`);
  await db.pool.query('UPDATE ffmpeg_master.leadership SET epoch = $1, master_id = $2', [
    term.epoch,
    term.master_id,
  ]);
  const early = await PlanSession.open(db.dsn, 'generic');
  await drive(new Unwrapped(db.database, early));
  await fillTables(db.pool, { waiting: 50_000, running: 2000, archived: 0, nodes: 500 });
  // Every fifth waiting job waits for its time.
  await db.pool.query(
    `UPDATE ffmpeg_master.jobs SET due_at = now() + interval '1 hour' WHERE status = 'queued' AND position % 5 = 0`,
  );
  fromEmpty = new Unwrapped(db.database, early);
  await drive(fromEmpty);
  await early.close();
  await db.pool.query('ANALYZE');
  for (const mode of ['custom', 'generic'] as const) {
    const session = await PlanSession.open(db.dsn, mode);
    const database = new Unwrapped(db.database, session);
    await drive(database);
    await session.close();
    if (mode === 'custom') custom = database;
    else generic = database;
  }
}, 120_000);

describe.each([
  // Found, updated; the next one to come due is read too.
  ['PromoteDueJobs', ['idx_jobs_due', 'jobs_pkey'], 2],
  // Found, locked and updated by id.
  ['RequeueExpiredLeases', ['jobs_pkey'], 3],
] as const)('%s', (name, by, factor) => {
  it.each([
    ['planned with its values', () => custom],
    ['by the plan that a session keeps', () => generic],
    ['by a plan from the time when the tables were empty', () => fromEmpty],
  ])('reads few jobs, %s', (_, database) => {
    const [explained] = database().named(name) as [Explained];
    const reads = explained.reads.filter(({ table, rows }) => table === 'jobs' && rows > 0);
    expect(reads.filter(({ index }) => index === undefined || !by.some((one) => one === index))).toEqual([]);
    const read = reads.reduce((sum, { rows }) => sum + rows, 0);
    expect(read, JSON.stringify(reads)).toBeGreaterThan(0);
    expect(read, JSON.stringify(reads)).toBeLessThanOrEqual(factor * EACH_TIME + 10);
  });
});
