import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { JobReference } from './job-reference.js';
import type { JobRow } from './job-row.js';

const LIVE = `j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j
  LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token`;

const GET_JOB = statement('GetJob', `SELECT ${LIVE} WHERE j.id = $1 AND j.tenant_id = $2`);

const GET_JOB_BY_NUMBER = statement(
  'GetJobByNumber',
  `SELECT ${LIVE} WHERE j.sequence_number = $1 AND j.tenant_id = $2`,
);

const GET_JOBS = statement('GetJobs', `SELECT ${LIVE} WHERE j.id = ANY($1::uuid[])`, { hot: true });

/** Live jobs; `HistoryRepository` has the archived ones. */
@Injectable()
export class JobsRepository {
  constructor(private readonly database: Database) {}

  async get(reference: JobReference, tenant_id: string): Promise<JobRow | undefined> {
    const [row] =
      'id' in reference
        ? await this.database.query<JobRow>(GET_JOB, [reference.id, tenant_id])
        : await this.database.query<JobRow>(GET_JOB_BY_NUMBER, [reference.sequence_number, tenant_id]);
    return row;
  }

  /** Of many tenants, for a group of requests; each id was taken from its tenant's own request or key. */
  getMany(ids: readonly string[]): Promise<JobRow[]> {
    return this.database.query<JobRow>(GET_JOBS, [ids]);
  }
}
