/** Reads from the database what the checker needs of it, when a test is over. */
import type { Evidence, JobAtTheEnd, JobEvent, TermAtTheEnd } from '../checker/evidence.js';
import { queryPrimary, type DatabaseUnderTest } from './database-under-test.js';
import type { History } from './history.js';

export interface Sources {
  readonly database: DatabaseUnderTest;
  readonly history: History;
  /** What masters and workers printed. */
  readonly outputs: readonly string[];
  readonly quiet: boolean;
}

export async function gather({ database, history, outputs, quiet }: Sources): Promise<Evidence> {
  return {
    operations: history.operations,
    events: await queryPrimary<JobEvent & Record<string, unknown>>(database, EVENTS),
    jobs: await queryPrimary<JobAtTheEnd & Record<string, unknown>>(database, JOBS),
    terms: await queryPrimary<TermAtTheEnd & Record<string, unknown>>(database, TERMS),
    logs: [...outputs, await database.logs()],
    quiet,
  };
}

const EVENTS = `
  SELECT job_id, n, type, from_status, to_status, node_id, lease_token::float8 AS lease_token, actor, generation, xid::text AS xid, id::float8 AS id,
         (extract(epoch FROM at) * 1000)::float8 AS at
  FROM ffmpeg_master.job_events ORDER BY job_id, n`;

const JOBS = `
  SELECT id, status, max_retries, (extract(epoch FROM run_at) * 1000)::float8 AS run_at FROM ffmpeg_master.jobs
  UNION ALL
  SELECT id, status, max_retries, (extract(epoch FROM run_at) * 1000)::float8 FROM ffmpeg_master.job_history`;

const TERMS = `
  SELECT epoch::float8 AS epoch, master_id, (extract(epoch FROM since) * 1000)::float8 AS since
  FROM ffmpeg_master.leadership_terms`;
