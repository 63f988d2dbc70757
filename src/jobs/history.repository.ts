import { Injectable } from '@nestjs/common';
import { Database, type Queryable } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { JobRow } from './job-row.js';

export interface ArchivedRow extends JobRow {
  archived_on: string;
  reported_token: number | null;
  reported_as: string | null;
}

/** A day of history; `lowest` and `highest` are its sequence numbers, unknown while it is open. */
export interface HistoryDay {
  day: string;
  lowest: number | null;
  highest: number | null;
}

// Not prepared: a generic plan would lock all partitions, 1,603 locks with 400 of them.
const FIND_ARCHIVED = statement(
  'GetArchivedJobs',
  `SELECT h.* FROM ffmpeg_master.job_history h WHERE h.archived_on = ANY($1::date[]) AND h.id = ANY($2::uuid[])`,
  { prepared: false, hot: true },
);

const FIND_ARCHIVED_BY_NUMBER = statement(
  'GetArchivedJobByNumber',
  `SELECT h.* FROM ffmpeg_master.job_history h
   WHERE h.archived_on = ANY($1::date[]) AND h.sequence_number = $2 AND h.tenant_id = $3`,
  { prepared: false },
);

// The CASE: with 400 partitions the planner reads pg_class first, and the names of other relations are no days.
const DAY = `CASE WHEN c.relname ~ '^job_history_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END`;

const LIST_HISTORY_DAYS = statement(
  'ListHistoryDays',
  `SELECT ${DAY} AS day, d.lowest, d.highest
   FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
   LEFT JOIN ffmpeg_master.history_days d ON d.day = ${DAY}
   WHERE i.inhparent = 'ffmpeg_master.job_history'::regclass
     AND ${DAY} <= ((now() + interval '1 minute') AT TIME ZONE 'UTC')::date
   ORDER BY 1`,
  { hot: true },
);

@Injectable()
export class HistoryRepository {
  constructor(private readonly database: Database) {}

  findOn(
    days: readonly string[],
    ids: readonly string[],
    on: Queryable = this.database,
  ): Promise<ArchivedRow[]> {
    return on.query<ArchivedRow>(FIND_ARCHIVED, [days, ids]);
  }

  async findNumberOn(
    days: readonly string[],
    number: number,
    tenant_id: string,
  ): Promise<ArchivedRow | undefined> {
    const [row] = await this.database.query<ArchivedRow>(FIND_ARCHIVED_BY_NUMBER, [days, number, tenant_id]);
    return row;
  }

  /**
   * Oldest first, today last; days to come are left out, but for the next one in the last minute of a day:
   * the answer is kept for a few seconds, and jobs are archived from midnight on.
   */
  days(on: Queryable = this.database): Promise<HistoryDay[]> {
    return on.query<HistoryDay>(LIST_HISTORY_DAYS);
  }
}
