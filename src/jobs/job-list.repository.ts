import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/database.js';
import { ReadDatabase } from '../database/read-database.js';
import { statement } from '../database/statement.js';
import type { JobStatus } from '../protocol/job-status.js';
import type { JobRow } from './job-row.js';
import type { JobFilter } from './list-query.js';

/** Jobs with numbers from `from` up to below `before`, newest first. */
export interface Walk {
  readonly tenant_id: string;
  readonly filter: JobFilter;
  readonly before: number;
  readonly from: number;
  /** Jobs wanted. */
  readonly wanted: number;
  /** Rows to look at for them, at most, of each status that is asked for. */
  readonly most: number;
}

export interface Walked {
  readonly rows: JobRow[];
  /** Rows looked at, those that a filter left out included; up to 999 of each status may be missing. */
  readonly looked: number;
  /** Where the walk was cut: all from this number on was looked at. Undefined where there is nothing below. */
  readonly end: number | undefined;
}

/**
 * Pages of jobs from one server, from the live table or from one day of history. Hardly more rows are read than
 * `most`, whatever is asked for: an index by tenant and number gives the order, and a filter without an index of
 * its own (queue, tag, time of creation, and in history the node) is tried on each row until enough were found or
 * looked at. The text is put together from fixed parts; it is not prepared: see History.
 *
 * Nearly all live jobs are queued and nearly all archived ones completed, so these two statuses are filters
 * too, and the index by status holds the others alone. Several of those are a walk each, merged.
 */
export class JobPages {
  constructor(private readonly source: Queryable) {}

  live(walk: Walk): Promise<Walked> {
    return this.page(LIVE, walk);
  }

  archived(day: string, walk: Walk): Promise<Walked> {
    return this.page(ARCHIVED, walk, day);
  }

  private async page(table: Table, walk: Walk, day?: string): Promise<Walked> {
    const { text, values } = pageOf(table, walk, day);
    const rows = await this.source.query<WalkedRow>(
      statement(table.statement, text, { prepared: false }),
      values,
    );
    const last = lowestOfEach(rows);
    const cut = last.filter(({ walk_nth }) => walk_nth >= walk.most).map(({ walk_number }) => walk_number);
    return {
      rows: rows.filter(({ walk_fits }) => walk_fits),
      looked: last.reduce((sum, { walk_nth }) => sum + walk_nth, 0),
      end: cut.length > 0 ? Math.max(...cut) : undefined,
    };
  }
}

@Injectable()
export class JobListRepository {
  constructor(private readonly reads: ReadDatabase) {}

  /** Runs `work` over the pages of one server, and once more where a replica failed. */
  read<T>(work: (pages: JobPages) => Promise<T>): Promise<T> {
    return this.reads.read((source) => work(new JobPages(source)));
  }
}

interface Table {
  readonly statement: string;
  readonly name: string;
  /** What nearly all rows are: the index by status leaves them out. */
  readonly usual: JobStatus;
  /** The jobs of one node, where they are found at once. */
  readonly ofNode?: string;
  /** The row of the walk's row `w`, found by its key. */
  readonly row: (day: string) => string;
}

const LIVE: Table = {
  statement: 'ListJobs',
  name: 'ffmpeg_master.jobs',
  usual: 'queued',
  // By its leases, of which a node has no more than slots.
  ofNode: `ffmpeg_master.leases n CROSS JOIN LATERAL (
         SELECT j.* FROM ffmpeg_master.jobs j
         WHERE j.id = n.job_id AND j.lease_token = n.lease_token LIMIT 1
       ) j`,
  row: () => `SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
     FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
     WHERE j.id = w.id`,
};

const ARCHIVED: Table = {
  statement: 'ListArchivedJobs',
  name: 'ffmpeg_master.job_history',
  usual: 'completed',
  row: (day) => `SELECT j.* FROM ffmpeg_master.job_history j WHERE j.id = w.id AND j.archived_on = ${day}`,
};

/** Each so-many-th row is answered, fitting or not, and tells how many were looked at. */
const MARKED = 1000;

/** A job that was asked for; or, with `walk_fits` false and the job empty, a row that tells how far the walk went. */
interface WalkedRow extends JobRow {
  walk: number;
  walk_number: number;
  walk_fits: boolean;
  walk_nth: number;
}

function lowestOfEach(rows: readonly WalkedRow[]): WalkedRow[] {
  return [...new Map(rows.map((row) => [row.walk, row])).values()];
}

/** Adds a value and answers its place in the text. */
type Bind = (value: unknown) => string;

/**
 * From the row `most` on every row passes, fitting or not, so the LIMIT ends the walk soon after it. A LIMIT of
 * `most` around the walk would do the same, and have the planner sort a table of 100,000 rows for it; as it is,
 * it plans for the few rows that a page has. LATERAL … LIMIT 1 keeps it to one look-up for each job shown.
 *
 * The day is a range of arrays, which chooses the partition like an equality. Before the first ANALYZE of a new
 * day the planner takes an equality for one row in 200, and then sorts all that the day has (500,000 rows).
 */
function pageOf(table: Table, walk: Walk, day?: string): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const bind: Bind = (value) => `$${values.push(value)}`;
  const most = bind(walk.most);
  const on = day === undefined ? '' : bind(day);
  const ofDay =
    on === ''
      ? []
      : [`j.archived_on >= ANY(ARRAY[${on}::date]) AND j.archived_on <= ANY(ARRAY[${on}::date])`];
  const walks = rangesOf(table, walk, bind).map(
    ({ from = `${table.name} j`, range, order, also }, number) => {
      const conditions = [...conditionsOf(walk.filter, bind), ...also];
      const passing = walk.wanted + (conditions.length > 0 ? Math.floor(walk.most / MARKED) : 0);
      return `(
     SELECT ${number} AS walk, w.*
     FROM (
       SELECT j.id, j.sequence_number, ${fits(conditions)} AS fits, row_number() OVER o AS nth
       FROM ${from}
       WHERE ${[...range, ...ofDay].join(' AND ')}
       WINDOW o AS (ORDER BY ${order})
       ORDER BY ${order}
     ) w
     WHERE CASE WHEN w.fits OR w.nth >= ${most} OR w.nth % ${MARKED} = 0 THEN true END
     LIMIT ${bind(passing)})`;
    },
  );
  const text = `SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth
   FROM (${walks.join(' UNION ALL ')}) w
   LEFT JOIN LATERAL (
     ${table.row(on)} AND w.fits LIMIT 1
   ) d ON true
   ORDER BY w.sequence_number DESC`;
  return { text, values };
}

interface Range {
  readonly from?: string;
  readonly range: readonly string[];
  readonly order: string;
  /** Conditions that the range does not hold. */
  readonly also: readonly string[];
}

// As pairs and triples in the order of an index, which that index serves and no other: as an equality and an
// order, the planner took other ways, a walk over all 100,000 jobs among them.
function rangesOf(table: Table, { tenant_id, filter, from, before }: Walk, bind: Bind): Range[] {
  const [tenant, lowest, highest] = [bind(tenant_id), bind(from), bind(before)];
  const statuses = filter.status?.length ? filter.status : undefined;
  const ofStatus = () => (statuses ? [`j.status = ANY(${bind(statuses)}::text[])`] : []);
  if (table.ofNode && filter.node) {
    const node = bind(filter.node);
    return [
      {
        from: table.ofNode,
        range: [
          `n.node_id = ${node}`,
          `j.tenant_id = ${tenant} AND j.sequence_number >= ${lowest} AND j.sequence_number < ${highest}`,
        ],
        order: 'j.sequence_number DESC',
        also: ofStatus(),
      },
    ];
  }
  if (!statuses || statuses.includes(table.usual)) {
    const place = '(j.tenant_id, j.sequence_number)';
    return [
      {
        range: [`${place} >= (${tenant}, ${lowest}) AND ${place} < (${tenant}, ${highest})`],
        order: 'j.tenant_id DESC, j.sequence_number DESC',
        also: ofStatus(),
      },
    ];
  }
  const place = '(j.status, j.tenant_id, j.sequence_number)';
  return statuses.map((one) => {
    const status = bind(one);
    return {
      range: [
        `${place} >= (${status}, ${tenant}, ${lowest}) AND ${place} < (${status}, ${tenant}, ${highest})`,
        `j.status <> '${table.usual}'`,
      ],
      order: 'j.status DESC, j.tenant_id DESC, j.sequence_number DESC',
      also: [],
    };
  });
}

function conditionsOf(filter: JobFilter, bind: Bind): string[] {
  const conditions: string[] = [];
  if (filter.queue) conditions.push(`j.queue = ${bind(filter.queue)}`);
  if (filter.node) conditions.push(`j.node_id = ${bind(filter.node)}`);
  if (filter.tag) conditions.push(`j.tags @> ARRAY[${bind(filter.tag)}::text]`);
  if (filter.created_after) conditions.push(`j.created_at >= ${bind(filter.created_after)}`);
  if (filter.created_before) conditions.push(`j.created_at < ${bind(filter.created_before)}`);
  return conditions;
}

/** A job on no node has no node to compare, which is neither true nor false. */
function fits(conditions: readonly string[]): string {
  return conditions.length === 0 ? 'true' : `(${conditions.join(' AND ')}) IS TRUE`;
}
