/**
 * The place of a job's events in the stream of all jobs (I10). A transaction has its id from its first write on, which a group
 * makes long before it comes to its last job: it is older than one that wrote of that job meanwhile.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { TransitionsRepository } from '../jobs/transitions.repository.js';
import type { AttemptRow } from './claim.repository.js';
import { HeartbeatRepository } from './heartbeat.repository.js';
import { type ReportItem, ReportRepository } from './report.repository.js';

const db = useDatabase();
let master: DispatchMaster;
let node_id: string;

beforeAll(async () => {
  master = await new DispatchMaster(db.database, new LocalSignals()).start();
  node_id = await master.node({ slots: 100 });
});
afterAll(() => master.stop());

it('is behind that of its event before, though its transaction is older (I10)', async () => {
  const [first, middle, last] = await attempts();
  const older = await groupHeldAt(middle, [first, middle, last], (jobs) =>
    new ReportRepository(db.database).report(jobs.map(failed), [60_000]),
  );
  // Both newer than the group of reports, and over before it comes to this job.
  await new TransitionsRepository(db.database).pause(last.id, 'default', 'somebody');
  await new HeartbeatRepository(db.database).start([attempt(last)]);
  await older();

  expect(await placesOf(last.id)).toEqual(['submitted', 'assigned', 'paused', 'started', 'retrying']);
  expect(await placesOf(first.id)).toEqual(['submitted', 'assigned', 'retrying']);
});

it('is kept with a job that ends, and is of its own database alone', async () => {
  const [first, middle, last] = await attempts();
  await db.pool.query('UPDATE ffmpeg_master.leadership SET generation = generation + 1');
  // As of the database that this one was restored from, whose transactions had come further.
  await db.pool.query(`UPDATE ffmpeg_master.jobs SET event_order = event_order + 1000000000 WHERE id = $1`, [
    first.id,
  ]);
  const older = await groupHeldAt(middle, [first, middle, last], (jobs) =>
    new ReportRepository(db.database).report(
      jobs.map((job) => ({ ...failed(job), permanent: true })),
      [1],
    ),
  );
  await new HeartbeatRepository(db.database).start([attempt(last)]);
  await older();
  expect(await placesOf(last.id)).toEqual(['submitted', 'assigned', 'started', 'failed']);
  const { rows } = await db.pool.query(
    `SELECT e.job_id, e.generation = l.generation AND e.xid < pg_snapshot_xmax(pg_current_snapshot()) AS present,
            h.event_order = e.generation::bigint << 48 | e.xid::text::bigint AS kept
     FROM ffmpeg_master.job_events e CROSS JOIN ffmpeg_master.leadership l
     JOIN ffmpeg_master.job_history h ON h.id = e.job_id AND h.event_count = e.n WHERE e.job_id = ANY ($1)`,
    [[first.id, last.id]],
  );
  expect(rows).toHaveLength(2);
  for (const row of rows) expect(row).toMatchObject({ present: true, kept: true });
});

type Three<Item> = readonly [Item, Item, Item];

/** In the order of their ids, which is that in which groups lock them. */
async function attempts(): Promise<Three<AttemptRow>> {
  const begun: AttemptRow[] = [];
  for (let n = 0; n < 3; n += 1) {
    await master.submit();
    begun.push(await master.claimOne(node_id));
  }
  return begun.sort((a, b) => (a.id < b.id ? -1 : 1)) as unknown as Three<AttemptRow>;
}

/** Begins a statement about all jobs, which has its transaction id and waits for one of them. Answers its end. */
async function groupHeldAt<Done>(
  held: AttemptRow,
  jobs: readonly AttemptRow[],
  group: (jobs: readonly AttemptRow[]) => Promise<Done>,
): Promise<() => Promise<Done>> {
  const holder = await db.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM ffmpeg_master.jobs WHERE id = $1 FOR UPDATE', [held.id]);
  const done = group(jobs);
  await eventually(async () => {
    const { rows } = await db.pool.query(
      `SELECT FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_xid IS NOT NULL`,
    );
    expect(rows).toHaveLength(1);
  });
  return async () => {
    await holder.query('COMMIT');
    holder.release();
    return done;
  };
}

/** Types of a job's events as the stream of all jobs has them; fails where that is not as they were numbered. */
async function placesOf(job_id: string): Promise<string[]> {
  const { rows } = await db.pool.query<{ type: string; n: number }>(
    'SELECT type, n FROM ffmpeg_master.job_events WHERE job_id = $1 ORDER BY generation, xid, id',
    [job_id],
  );
  expect(rows.map(({ n }) => n)).toEqual(rows.map((_, index) => index + 1));
  return rows.map(({ type }) => type);
}

const attempt = ({ id: job_id, lease_token }: AttemptRow) => ({ job_id, lease_token, node_id });

const failed = (job: AttemptRow): ReportItem => ({
  ...attempt(job),
  status: 'failed',
  result: null,
  error: null,
  failure_reason: null,
  permanent: false,
  jitter: 1,
  actor: 'test',
});
