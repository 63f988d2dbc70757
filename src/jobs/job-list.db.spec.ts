import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { JOB_COLUMNS } from './job-columns.js';
import type { ListJobsQuery } from './list-query.js';

const db = useDatabase();
let master: DispatchMaster;

/** Days of history besides today. */
const DAYS = 5;

beforeAll(async () => {
  await db.pool.query(
    `SELECT ffmpeg_master.make_partition('job_history', (now() AT TIME ZONE 'UTC')::date - k)
     FROM generate_series(0, $1) k`,
    [DAYS],
  );
});

beforeEach(async () => {
  await empty();
  master = await new DispatchMaster(db.database, new LocalSignals()).start();
});

afterEach(() => master.stop());

async function empty(): Promise<void> {
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.history_days`,
  );
}

async function listed(query: ListJobsQuery): Promise<string[]> {
  return (await master.jobs.list(PRINCIPAL, query)).items.map((job) => job.scenario);
}

/** All pages; `between` is run before each further one. */
async function walk(query: ListJobsQuery, between: () => Promise<void> = async () => undefined) {
  const numbers: number[] = [];
  let cursor: string | null = null;
  do {
    if (cursor !== null) await between();
    const page = await master.jobs.list(PRINCIPAL, { ...query, cursor: cursor ?? undefined });
    numbers.push(...page.items.map((job) => job.sequence_number));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return numbers;
}

/** Moves the jobs to history as a report would, to the day so many days ago. */
async function archive(numbers: readonly number[], daysAgo = 0, status = 'completed'): Promise<void> {
  await db.pool.query(
    `WITH gone AS (DELETE FROM ffmpeg_master.jobs WHERE sequence_number = ANY($1) RETURNING *)
     INSERT INTO ffmpeg_master.job_history (${JOB_COLUMNS.join(', ')}, completed_at, archived_on)
     SELECT ${JOB_COLUMNS.map((column) => (column === 'status' ? '$3' : column)).join(', ')},
            now(), (now() AT TIME ZONE 'UTC')::date - $2::int FROM gone`,
    [numbers, daysAgo, status],
  );
}

/** As the duty does for each day that is over. */
async function closeDays(): Promise<void> {
  await db.pool.query(
    `INSERT INTO ffmpeg_master.history_days
     SELECT archived_on, min(sequence_number), max(sequence_number) FROM ffmpeg_master.job_history
     WHERE archived_on < (now() AT TIME ZONE 'UTC')::date GROUP BY archived_on`,
  );
}

async function submitted(count: number): Promise<number[]> {
  const jobs = Array.from({ length: count }, (_, k) => ({ scenario: `job ${k}` }));
  const made = await master.submits.submit(PRINCIPAL, jobs, { route: 'POST /jobs/batch' });
  return made.map((job) => job.sequence_number);
}

describe('a list', () => {
  it('shows live and archived jobs in one order, the newest first', async () => {
    const numbers = await submitted(6);
    await archive([numbers[1]!, numbers[4]!], 2);
    await archive([numbers[2]!], 1);
    await closeDays();
    expect(await listed({})).toEqual(['job 5', 'job 4', 'job 3', 'job 2', 'job 1', 'job 0']);
    expect(await listed({ limit: 2 })).toEqual(['job 5', 'job 4']);
  });

  it('filters by status, queue, node, tag and time of creation, live and archived alike', async () => {
    const node = await master.node({ slots: 5 });
    const old = await master.submit({ scenario: 'old' });
    await db.pool.query(`UPDATE ffmpeg_master.jobs SET created_at = '2020-01-01' WHERE id = $1`, [old.id]);
    await master.submit({ scenario: 'tagged', tags: ['red', 'blue'], priority: 'low' });
    await master.submit({ scenario: 'batch', queue: 'batch', priority: 'low' });
    const [first, second] = await master.claim(node, { max_jobs: 2 });
    await master.report(node, first!, { status: 'completed' });

    expect(first!.scenario).toBe('old');
    expect(second!.scenario).toBe('tagged');
    expect(await listed({ status: ['completed'] })).toEqual(['old']);
    expect(await listed({ status: ['queued'] })).toEqual(['batch']);
    expect(await listed({ status: ['assigned', 'completed'] })).toEqual(['tagged', 'old']);
    expect(await listed({ status: ['failed'] })).toEqual([]);
    expect(await listed({ queue: 'batch' })).toEqual(['batch']);
    expect(await listed({ node })).toEqual(['tagged', 'old']);
    expect(await listed({ tag: 'blue' })).toEqual(['tagged']);
    expect(await listed({ created_before: '2021-01-01T00:00:00Z' })).toEqual(['old']);
    expect(await listed({ created_after: '2021-01-01T00:00:00Z' })).toEqual(['batch', 'tagged']);
    expect(await listed({ tag: 'red', queue: 'default', status: ['assigned'], node })).toEqual(['tagged']);
  });

  it('refuses a cursor that is not one of ours', async () => {
    await expect(master.jobs.list(PRINCIPAL, { cursor: 'abc' })).rejects.toMatchObject({ status: 400 });
  });

  it('reads the lanes of a page in one statement', async () => {
    await Promise.all(['live', 'default', 'batch'].map((queue) => master.submit({ queue })));
    const fresh = await new DispatchMaster(db.database, new LocalSignals()).start();
    const seen: string[] = [];
    const query = db.database.query.bind(db.database);
    db.database.query = (statement, values) => {
      seen.push(statement.name);
      return query(statement, values);
    };
    try {
      expect((await fresh.jobs.list(PRINCIPAL, {})).items).toHaveLength(3);
    } finally {
      db.database.query = query;
      fresh.stop();
    }
    expect(seen.filter((name) => name === 'ListLanes')).toHaveLength(1);
  });
});

describe('a cursor', () => {
  it('walks past all jobs once, in order, while jobs end and are retried between the pages', async () => {
    const place = fc.integer({ min: -1, max: DAYS });
    const scene = fc.record({
      // Where each job is: live (-1), or archived so many days ago.
      places: fc.array(place, { minLength: 1, maxLength: 40 }),
      limit: fc.integer({ min: 1, max: 9 }),
      status: fc.constantFrom(undefined, ['queued', 'completed', 'failed'] as const),
      moves: fc.array(fc.record({ job: fc.nat(39), end: fc.boolean() }), { maxLength: 20 }),
    });
    await fc.assert(
      fc.asyncProperty(scene, async ({ places, limit, status, moves }) => {
        await empty();
        const numbers = await submitted(places.length);
        for (let day = 0; day <= DAYS; day += 1)
          await archive(
            numbers.filter((_, k) => places[k] === day),
            day,
          );
        await closeDays();
        // The days are kept for ten seconds; a master that has just started reads them.
        master.stop();
        master = await new DispatchMaster(db.database, new LocalSignals()).start();
        const between = async () => {
          const move = moves.pop();
          const number = move && numbers[move.job];
          if (number === undefined) return;
          if (move?.end) await archive([number], 0, 'failed');
          else await master.jobs.retry(PRINCIPAL, String(number)).catch(() => undefined);
        };
        const seen = await walk({ limit, status: status && [...status] }, between);
        expect(seen).toEqual([...numbers].reverse());
      }),
      { numRuns: 12 },
    );
  });
});
