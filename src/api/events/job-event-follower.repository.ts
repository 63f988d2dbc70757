import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { statement } from '../../database/statement.js';
import type { JobEventRow } from '../../jobs/job-events.repository.js';

const READ_FOLLOWED_JOBS = statement(
  'ReadFollowedJobs',
  `SELECT e.*
   FROM unnest($1::uuid[], $2::int[]) AS followed (job_id, after)
   CROSS JOIN LATERAL (
     SELECT e.job_id, e.n, e.type, e.from_status, e.to_status, e.at, e.attempt, e.node_id, e.lease_token, e.data
     FROM ffmpeg_master.job_events e
     WHERE e.day = ANY($3::date[]) AND e.job_id = followed.job_id AND e.n > followed.after
     ORDER BY e.n LIMIT $4
   ) e
   ORDER BY e.job_id, e.n`,
  { prepared: false },
);

export interface FollowedJob {
  readonly job_id: string;
  /** The last event that was read. */
  readonly after: number;
}

@Injectable()
export class JobEventFollowerRepository {
  constructor(private readonly database: Database) {}

  /** What is new in the event logs of these jobs on these days, at most `limit` of each. */
  read(jobs: readonly FollowedJob[], days: readonly string[], limit: number): Promise<JobEventRow[]> {
    const ids = jobs.map(({ job_id }) => job_id);
    const afters = jobs.map(({ after }) => after);
    return this.database.query<JobEventRow>(READ_FOLLOWED_JOBS, [ids, afters, days, limit]);
  }
}
