/**
 * What a page of a list reads, on a table and on one three times as large: the same number of rows and of pages of
 * the disk, by the indexes that are meant, first page or deep inside, however seldom a filter fits. Live jobs
 * before the first ANALYZE as well as after it; a day of history is small until then.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { ExplainingDatabase, PlanSession, type Explained } from '../../test/support/explaining-database.js';
import { PrimaryReads } from '../database/read-database.js';
import { HistoryRepository } from './history.repository.js';
import { History } from './history.js';
import { JobListRepository } from './job-list.repository.js';
import { JobList, LOOKED_AT_A_PAGE } from './job-list.js';
import type { JobFilter } from './list-query.js';

const db = useDatabase();
const NODE = randomUUID();
const LIMIT = 50;

/** Live jobs, and archived ones of today. More than a page looks at, and three times as many. */
const SMALL = 15_000;
const LARGE = 45_000;

/** Of so many jobs one is another tenant's, one is in another queue and tagged, and one runs or failed. */
const SELDOM = 2_500;

interface Case {
  readonly filter: JobFilter;
  readonly tenant?: string;
  /** Rows that fill a page at once: each is found, read by its key, and a live one's lease is looked for. */
  readonly page?: true;
}

const CASES: Record<string, Case> = {
  'of everything': { filter: {}, page: true },
  'of a small tenant': { filter: {}, tenant: 'small', page: true },
  'of queued jobs': { filter: { status: ['queued'] }, page: true },
  'of running jobs': { filter: { status: ['running'] }, page: true },
  'of completed jobs': { filter: { status: ['completed'] }, page: true },
  'of failed jobs': { filter: { status: ['failed'] }, page: true },
  'of several statuses': { filter: { status: ['assigned', 'running', 'failed', 'canceled'] }, page: true },
  'of a queue with nearly all': { filter: { queue: 'default' }, page: true },
  'of a queue with few': { filter: { queue: 'night' } },
  'of a tag that few have': { filter: { tag: 'seldom' } },
  'of a tag that none has': { filter: { tag: 'none' } },
  'of live jobs of a node': { filter: { node: NODE, status: ['assigned', 'running'] }, page: true },
  'of all jobs of a node': { filter: { node: NODE } },
  'of jobs made before all others': { filter: { created_before: '2020-01-01T00:00:00Z' } },
  'of two filters': { filter: { tag: 'seldom', status: ['completed', 'queued'] } },
};

/** Rows for a job that is shown: found in its order, its key looked up, its lease too. Of four statuses, four pages. */
const A_PAGE = 3 * (LIMIT + 20) * 4;

let last = 0;
async function growTo(count: number): Promise<void> {
  const columns = `id, tenant_id, scenario, parameters, queue, priority, requirements, engine, max_retries, lane_id,
    position, tags, created_at, status, node_id`;
  const row = (seldom: string, usual: string) =>
    `SELECT gen_random_uuid(), CASE WHEN k % 100 = 1 THEN 'small' ELSE 'default' END, 's', '{}',
            CASE WHEN k % $3 = 0 THEN 'night' ELSE 'default' END, 'medium', '{}', 'auto', 3, 1, k,
            CASE WHEN k % $3 = 0 THEN '{often,seldom}' ELSE '{often}' END::text[], now() - k * interval '1 s',
            CASE WHEN k % $3 = 2 THEN '${seldom}' ELSE '${usual}' END, CASE WHEN k % $3 = 2 THEN $4::uuid END`;
  const values = [last + 1, count, SELDOM, NODE];
  await db.pool.query(
    `INSERT INTO ffmpeg_master.jobs (${columns}) ${row('running', 'queued')} FROM generate_series($1::int, $2::int) k`,
    values,
  );
  await db.pool.query(
    `WITH running AS (
       UPDATE ffmpeg_master.jobs SET lease_token = nextval('ffmpeg_master.lease_tokens')
       WHERE status = 'running' AND lease_token IS NULL RETURNING *
     )
     INSERT INTO ffmpeg_master.leases (lease_token, job_id, node_id, claim_id, queue, assigned_at, expires_at)
     SELECT lease_token, id, node_id, gen_random_uuid(), queue, now(), now() FROM running`,
  );
  await db.pool.query(
    `INSERT INTO ffmpeg_master.job_history (${columns}, completed_at, archived_on)
     ${row('failed', 'completed')}, now(), (now() AT TIME ZONE 'UTC')::date FROM generate_series($1::int, $2::int) k`,
    values,
  );
  last = count;
}

interface Cost {
  readonly rows: number;
  readonly blocks: number;
  readonly strayed: readonly string[];
}

/** The most that a statement of this page read, and all its rows. */
async function costOf({ filter, tenant = 'default' }: Case, before: number): Promise<Cost> {
  const explaining = new ExplainingDatabase(db.database, session);
  const list = new JobList(
    new JobListRepository(new PrimaryReads(explaining)),
    new History(new HistoryRepository(db.database)),
  );
  await list.page(tenant, filter, before, LIMIT);
  const reads = explaining.explained.flatMap((explained) => explained.reads);
  const big = reads.filter(({ table, rows }) => (table === 'jobs' || table === 'job_history') && rows > 0);
  return {
    rows: big.reduce((sum, { rows }) => sum + rows, 0),
    blocks: explaining.explained.reduce((sum, explained) => sum + blocksOf(explained), 0),
    strayed: big.filter(({ index }) => index === undefined).map(({ table }) => table),
  };
}

function blocksOf({ plan }: Explained): number {
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
}

let session: PlanSession;
/** By size and whether it was analyzed; of each case the first page and one deep inside. */
const measured = new Map<string, Map<string, Cost[]>>();

async function measure(name: string): Promise<void> {
  const { rows } = await db.pool.query<{ middle: number }>(
    'SELECT percentile_disc(0.8) WITHIN GROUP (ORDER BY sequence_number) AS middle FROM ffmpeg_master.job_history',
  );
  const costs = new Map<string, Cost[]>();
  for (const [label, one] of Object.entries(CASES))
    costs.set(label, [await costOf(one, Number.MAX_SAFE_INTEGER), await costOf(one, rows[0]?.middle ?? 0)]);
  measured.set(name, costs);
}

beforeAll(async () => {
  const today = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  for (const table of ['jobs', `job_history_${today}`])
    await db.pool.query(`ALTER TABLE ffmpeg_master.${table} SET (autovacuum_enabled = false)`);
  session = await PlanSession.open(db.dsn, 'custom');
  await growTo(SMALL);
  await db.pool.query('ANALYZE ffmpeg_master.job_history');
  await measure('small');
  await growTo(LARGE);
  await db.pool.query('ANALYZE ffmpeg_master.job_history');
  await measure('large');
  await db.pool.query('ANALYZE ffmpeg_master.jobs');
  await measure('analyzed');
}, 120_000);

afterAll(() => session.close());

describe.each(Object.entries(CASES))('a page %s', (label, { page }) => {
  it.each(['small', 'large', 'analyzed'])('reads few rows by an index (%s)', (size) => {
    for (const { rows, strayed } of measured.get(size)?.get(label) ?? []) {
      expect(strayed).toEqual([]);
      expect(rows).toBeLessThanOrEqual(page ? A_PAGE : LOOKED_AT_A_PAGE + A_PAGE);
    }
  });

  it('costs no more in a table three times as large', () => {
    const [small, large] = ['small', 'large'].map((size) => measured.get(size)?.get(label) ?? []);
    large?.forEach(({ rows, blocks }, nth) => {
      expect(rows).toBeLessThanOrEqual((small?.[nth]?.rows ?? 0) + A_PAGE);
      expect(blocks).toBeLessThanOrEqual((small?.[nth]?.blocks ?? 0) * 1.2 + A_PAGE);
    });
  });
});

describe('the pages of a filter that seldom fits', () => {
  it('are short and come to an end, and together hold all that fit', async () => {
    const list = new JobList(
      new JobListRepository(new PrimaryReads(db.database)),
      new History(new HistoryRepository(db.database)),
    );
    const found: number[] = [];
    let pages = 0;
    for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; pages += 1) {
      const page = await list.page('default', { tag: 'seldom' }, before, LIMIT);
      found.push(...page.rows.map((row) => row.sequence_number));
      before = page.next;
    }
    const { rows } = await db.pool.query<{ number: number }>(
      `SELECT sequence_number AS number FROM ffmpeg_master.jobs WHERE 'seldom' = ANY(tags)
       UNION ALL SELECT sequence_number FROM ffmpeg_master.job_history WHERE 'seldom' = ANY(tags) ORDER BY 1 DESC`,
    );
    expect(rows.length).toBe((2 * LARGE) / SELDOM);
    expect(found).toEqual(rows.map(({ number }) => number));
    expect(pages).toBeLessThanOrEqual((1.5 * 2 * LARGE) / LOOKED_AT_A_PAGE);
  });
});
