import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { JobRow } from './job-row.js';
import type { JobFilter } from './list-query.js';

const LIVE = `SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token`;

const ARCHIVED = 'SELECT j.* FROM ffmpeg_master.job_history j';

/**
 * A page of jobs, newest first, from the live table or from one day of history. The text is put together
 * from fixed parts, so that a filter that is not asked for costs nothing. Not prepared: see History.
 *
 * A status is asked for as a range of (status, sequence_number) in that order, which one index serves and
 * no other: as an equality, the planner walked all jobs by number until it had found enough of the status
 * (2,057 rows for a page of 51, and all 100,000 where the running ones are the oldest). Several statuses
 * are a page each, merged.
 */
@Injectable()
export class JobListRepository {
  constructor(private readonly database: Database) {}

  live(tenant_id: string, filter: JobFilter, before: number, limit: number): Promise<JobRow[]> {
    return this.page('ListJobs', LIVE, { tenant_id, filter, before, limit });
  }

  archived(
    day: string,
    tenant_id: string,
    filter: JobFilter,
    before: number,
    limit: number,
  ): Promise<JobRow[]> {
    return this.page('ListArchivedJobs', ARCHIVED, { day, tenant_id, filter, before, limit });
  }

  private page(name: string, select: string, wanted: Wanted): Promise<JobRow[]> {
    const values: unknown[] = [];
    const bind: Bind = (value) => `$${values.push(value)}`;
    const before = bind(wanted.before);
    const limit = bind(wanted.limit);
    const conditions = conditionsOf(wanted, bind);
    const pageOf = (range: readonly string[], order: string) =>
      `${select} WHERE ${[...range, ...conditions].join(' AND ')} ORDER BY ${order} LIMIT ${limit}`;
    const pages = (wanted.filter.status ?? []).map((one) => {
      const status = bind(one);
      const place = '(j.status, j.sequence_number)';
      return pageOf(
        [`${place} >= (${status}, 0)`, `${place} < (${status}, ${before})`],
        'j.status DESC, j.sequence_number DESC',
      );
    });
    const text =
      pages.length === 0
        ? pageOf([`j.sequence_number < ${before}`], 'j.sequence_number DESC')
        : pages.length === 1
          ? pages.join()
          : `SELECT * FROM (${pages.map((page) => `(${page})`).join(' UNION ALL ')}) p
             ORDER BY p.sequence_number DESC LIMIT ${limit}`;
    return this.database.query<JobRow>(statement(name, text, { prepared: false }), values);
  }
}

interface Wanted {
  readonly day?: string;
  readonly tenant_id: string;
  readonly filter: JobFilter;
  readonly before: number;
  readonly limit: number;
}

/** Adds a value and answers its place in the text. */
type Bind = (value: unknown) => string;

function conditionsOf({ day, tenant_id, filter }: Wanted, bind: Bind): string[] {
  const conditions = [`j.tenant_id = ${bind(tenant_id)}`];
  if (day) conditions.push(`j.archived_on = ${bind(day)}`);
  if (filter.queue) conditions.push(`j.queue = ${bind(filter.queue)}`);
  if (filter.node) conditions.push(`j.node_id = ${bind(filter.node)}`);
  if (filter.tag) conditions.push(`j.tags @> ARRAY[${bind(filter.tag)}::text]`);
  if (filter.created_after) conditions.push(`j.created_at >= ${bind(filter.created_after)}`);
  if (filter.created_before) conditions.push(`j.created_at < ${bind(filter.created_before)}`);
  return conditions;
}
