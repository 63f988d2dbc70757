import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { JobEvent } from '../protocol/job.js';

export interface JobEventRow extends Omit<JobEvent, 'at' | 'data'> {
  at: Date;
  data: Record<string, unknown> | null;
}

const LIST_JOB_EVENTS = statement(
  'ListJobEvents',
  `SELECT e.job_id, e.n, e.type, e.from_status, e.to_status, e.at, e.attempt, e.node_id, e.lease_token, e.data
   FROM ffmpeg_master.job_events e
   WHERE e.day = ANY($1::date[]) AND e.job_id = $2 AND e.n > $3
   ORDER BY e.n LIMIT $4`,
  { prepared: false },
);

@Injectable()
export class JobEventsRepository {
  constructor(private readonly database: Database) {}

  /** The events of a job after the nth, oldest first, of the given days. */
  list(days: readonly string[], job_id: string, after: number, limit: number): Promise<JobEventRow[]> {
    return this.database.query<JobEventRow>(LIST_JOB_EVENTS, [days, job_id, after, limit]);
  }
}
