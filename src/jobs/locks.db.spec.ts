/**
 * A look-up that touches all partitions takes 1,603 locks with 400 of them, and 25 such clients exhaust the
 * server's lock table. So every statement of jobs and dispatch is run with 400 days of history, often
 * enough that a session would keep a generic plan of it, and its locks are counted.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { Database, type Queryable } from '../database/database.js';
import { statement, type Statement } from '../database/statement.js';
import { dayOf, DAY_MS } from './job-days.js';

const db = useDatabase();

const PARTITIONS = 400;

/** Events and logs show the same with fewer: two relations a day. */
const OTHER_PARTITIONS = 100;

/** The tables that a statement names and their indexes; 14 days of five relations each; our own look. */
const MOST_LOCKS = 120;

/** A day or two of five relations each, beside the parent's, and those of `jobs` and `leases`. */
const MOST_LOCKS_BY_ID = 45;

const COUNT_LOCKS = statement(
  'CountLocks',
  `SELECT count(*)::int AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'`,
  { prepared: false },
);

class LockCountingDatabase extends Database {
  readonly most = new Map<string, number>();

  query<Row>(statement: Statement, values?: readonly unknown[]): Promise<Row[]> {
    return this.transaction((transaction) => transaction.query<Row>(statement, values));
  }

  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return db.database.transaction((transaction) =>
      work({
        query: async <Row>(statement: Statement, values?: readonly unknown[]) => {
          const rows = await transaction.query<Row>(statement, values);
          const [{ locks } = { locks: 0 }] = await transaction.query<{ locks: number }>(COUNT_LOCKS);
          this.most.set(statement.name, Math.max(locks, this.most.get(statement.name) ?? 0));
          return rows;
        },
      }),
    );
  }

  whenConnected(withinMs: number): Promise<void> {
    return db.database.whenConnected(withinMs);
  }
}

const counting = new LockCountingDatabase();
let master: DispatchMaster;

beforeAll(async () => {
  for (const parent of ['job_history', 'job_events', 'job_logs']) {
    // Some in each transaction: one that makes them all needs more locks than a server has.
    const days = parent === 'job_history' ? PARTITIONS : OTHER_PARTITIONS;
    for (let from = 1; from < days; from += 50)
      await db.pool.query(
        `SELECT ffmpeg_master.make_partition($1, (now() AT TIME ZONE 'UTC')::date - k)
         FROM generate_series($2::int, $2 + 49) k`,
        [parent, from],
      );
  }
  // Each closed day has a thousand numbers of its own.
  await db.pool.query(
    `INSERT INTO ffmpeg_master.history_days
     SELECT (now() AT TIME ZONE 'UTC')::date - k, (${PARTITIONS} - k) * 1000, (${PARTITIONS} - k) * 1000 + 999
     FROM generate_series(1, ${PARTITIONS}) k`,
  );
  await db.pool.query(`SELECT setval('ffmpeg_master.job_sequence_numbers', ${PARTITIONS} * 1000)`);
  master = await new DispatchMaster(counting, new LocalSignals()).start();
}, 120_000);

afterAll(() => master.stop());

describe('with 400 days of history', () => {
  it('a look-up by id or number takes few locks, wherever the job is', async () => {
    const daysAgo = 300;
    const day = dayOf(Date.now() - daysAgo * DAY_MS);
    const number = (PARTITIONS - daysAgo) * 1000 + 7;
    const ms = Date.parse(day).toString(16).padStart(12, '0');
    const id = `${ms.slice(0, 8)}-${ms.slice(8)}-7abc-8123-456789abcdef`;
    await db.pool.query(
      `INSERT INTO ffmpeg_master.job_history (id, sequence_number, scenario, parameters, queue, priority, requirements,
         engine, status, lane_id, position, max_retries, completed_at, archived_on)
       VALUES ($1, $2, 'old', '{}', 'default', 'medium', '{}', 'auto', 'completed', 1, 1, 3, $3::text::timestamptz, $3::text::date)`,
      [id, number, day],
    );
    counting.most.clear();
    for (let time = 0; time < 7; time += 1) {
      expect((await master.jobs.get(PRINCIPAL, id)).scenario).toBe('old');
      expect((await master.jobs.get(PRINCIPAL, String(number))).id).toBe(id);
    }
    expect([...counting.most.keys()]).toEqual(
      expect.arrayContaining(['GetJob', 'GetArchivedJobs', 'GetJobByNumber', 'GetArchivedJobByNumber']),
    );
    for (const [name, locks] of counting.most) expect(locks, name).toBeLessThanOrEqual(MOST_LOCKS_BY_ID);
  });

  it('no statement touches them all', async () => {
    const node = await master.node({ slots: 50 });
    for (let time = 0; time < 7; time += 1) {
      const job = await master.submit({ max_retries: 0 });
      const attempt = await master.claimOne(node);
      const { id, lease_token } = attempt;
      await master.heartbeats.beat(node, { attempts: [{ job_id: id, lease_token, started: true }] });
      await master.logs.append(id, { lease_token, offset: 0, text: 'frame=1' });
      await master.jobs.pause(PRINCIPAL, id);
      await master.jobs.resume(PRINCIPAL, id);
      await master.report(node, attempt, { status: 'failed' });
      await master.report(node, attempt, { status: 'failed' });
      await master.jobs.retry(PRINCIPAL, id);
      await master.jobs.cancel(PRINCIPAL, id);
      const row = await master.jobs.find(PRINCIPAL, String(job.sequence_number));
      // A job of which nothing is known but that it is old: its events and logs may lie on any day.
      const old = { ...row, created_at: new Date(0) };
      await master.events.list(old, 0, 100);
      await master.logs.read(old, { lease_token: 0, start_offset: -1 });
      await expect(master.jobs.get(PRINCIPAL, '7')).rejects.toMatchObject({ status: 404 });
      await expect(master.jobs.get(PRINCIPAL, '00000000-0000-4000-8000-000000000000')).rejects.toMatchObject({
        status: 404,
      });
      await master.jobs.list(PRINCIPAL, { limit: 500 });
      await master.jobs.list(PRINCIPAL, { limit: 500, status: ['failed', 'completed'] });
    }
    expect([...counting.most.keys()]).toEqual(
      expect.arrayContaining(['CreateJob', 'ClaimJobs', 'ReportAttempts', 'ListArchivedJobs', 'ReadJobLogs']),
    );
    for (const [name, locks] of counting.most) expect(locks, name).toBeLessThanOrEqual(MOST_LOCKS);
  });
});
