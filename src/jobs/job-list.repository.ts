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
 * from fixed parts, so that a filter that is not asked for costs nothing and one status is an equality,
 * which the index on (status, sequence_number) can serve in order. Not prepared: see History.
 */
@Injectable()
export class JobListRepository {
  constructor(private readonly database: Database) {}

  live(tenant_id: string, filter: JobFilter, before: number, limit: number): Promise<JobRow[]> {
    return this.page('ListJobs', LIVE, [], tenant_id, filter, before, limit);
  }

  archived(
    day: string,
    tenant_id: string,
    filter: JobFilter,
    before: number,
    limit: number,
  ): Promise<JobRow[]> {
    return this.page(
      'ListArchivedJobs',
      ARCHIVED,
      [['j.archived_on = ?', day]],
      tenant_id,
      filter,
      before,
      limit,
    );
  }

  private page(
    name: string,
    select: string,
    first: Condition[],
    tenant_id: string,
    filter: JobFilter,
    before: number,
    limit: number,
  ): Promise<JobRow[]> {
    const conditions = [
      ...first,
      ['j.tenant_id = ?', tenant_id] as Condition,
      ['j.sequence_number < ?', before] as Condition,
      ...filterConditions(filter),
    ];
    const values = [...conditions.map(([, value]) => value), limit];
    const where = conditions.map(([text], index) => text.replace('?', `$${index + 1}`)).join(' AND ');
    const text = `${select} WHERE ${where} ORDER BY j.sequence_number DESC LIMIT $${values.length}`;
    return this.database.query<JobRow>(statement(name, text, { prepared: false }), values);
  }
}

type Condition = readonly [text: string, value: unknown];

function filterConditions(filter: JobFilter): Condition[] {
  const conditions: Condition[] = [];
  const [status, ...more] = filter.status ?? [];
  if (more.length > 0) conditions.push(['j.status = ANY(?::text[])', filter.status]);
  else if (status) conditions.push(['j.status = ?', status]);
  if (filter.queue) conditions.push(['j.queue = ?', filter.queue]);
  if (filter.node) conditions.push(['j.node_id = ?', filter.node]);
  if (filter.tag) conditions.push(['j.tags @> ARRAY[?::text]', filter.tag]);
  if (filter.created_after) conditions.push(['j.created_at >= ?', filter.created_after]);
  if (filter.created_before) conditions.push(['j.created_at < ?', filter.created_before]);
  return conditions;
}
