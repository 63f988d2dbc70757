import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';

/**
 * Jobs that ended, of one engine and one end. What began to end 10 s ago has committed or never will: statements end
 * within 5 s (src/database/session-timeouts.ts).
 */
const SETTLED = `now() - interval '10 seconds'`;

// The days are values and the statement is planned with them, so that only their partitions are locked; in them the
// BRIN index leads to the last rows.
const CountEndedJobs = statement(
  'CountEndedJobs',
  `SELECT h.status, h.engine, count(*)::int AS jobs, max(h.completed_at) AS last,
          sum(extract(epoch FROM h.completed_at - coalesce(h.started_at, h.assigned_at)))::float8 AS run_seconds,
          count(coalesce(h.started_at, h.assigned_at))::int AS ran,
          sum(extract(epoch FROM h.assigned_at - h.created_at))::float8 AS wait_seconds
   FROM ffmpeg_master.job_history h
   WHERE h.archived_on BETWEEN $1::date AND $2::date AND h.completed_at > $3::timestamptz AND h.completed_at <= $4::timestamptz
   GROUP BY h.status, h.engine`,
  { prepared: false },
);

const SettledUntil = statement('SettledUntil', `SELECT ${SETTLED} AS until`);

export interface EndedJobsRow {
  readonly status: string;
  readonly engine: string;
  readonly jobs: number;
  readonly run_seconds: number | null;
  /** Those of them that a node had. */
  readonly ran: number;
  readonly wait_seconds: number | null;
}

@Injectable()
export class EndedJobsRepository {
  constructor(private readonly database: Database) {}

  /** Up to this time nothing will end any more, by the database's clock. */
  async settledUntil(): Promise<Date> {
    const [row] = await this.database.query<{ until: Date }>(SettledUntil);
    if (!row) throw new Error('the database told no time');
    return row.until;
  }

  count(after: Date, until: Date): Promise<EndedJobsRow[]> {
    const day = (time: Date) => time.toISOString().slice(0, 10);
    return this.database.query<EndedJobsRow>(CountEndedJobs, [day(after), day(until), after, until]);
  }
}
