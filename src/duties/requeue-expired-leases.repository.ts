import { Injectable } from '@nestjs/common';
import type { Milliseconds } from '../config/durations.js';
import { statement } from '../database/statement.js';
import { lowerCounters, settle } from '../jobs/settle.sql.js';
import { FENCE, LEADER } from '../leadership/fence.sql.js';
import type { Term } from '../leadership/leadership.js';
import { calm, CALM_FOR_LEASE } from './calm.sql.js';
import { FencedStatements } from './fenced-statements.repository.js';
import { jobsFinished, type JobsFinished } from './jobs-finished.sql.js';
import { lanesWaiting, type LanesWaiting } from './waiting-again.sql.js';

export const LEASES_A_STATEMENT = 200;

// Jobs, then leases, then counters, as every statement locks them; jobs and leases with SKIP LOCKED: who
// holds one is reporting or extending it at this moment. The lock re-checks expires_at on the newest row.
// The CASE keeps the state from being looked up: by it, an early plan read every running job.
const RequeueExpiredLeases = statement(
  'RequeueExpiredLeases',
  `WITH ${FENCE}, ${calm('$3')},
   silent AS MATERIALIZED (
     SELECT l.lease_token, l.job_id, l.revoked FROM ffmpeg_master.leases l CROSS JOIN calm
     WHERE l.expires_at < now() AND ${CALM_FOR_LEASE} LIMIT ${LEASES_A_STATEMENT}
   ),
   found AS MATERIALIZED (
     SELECT j.* FROM ffmpeg_master.jobs j
     JOIN silent s ON s.job_id = j.id AND s.lease_token = j.lease_token AND NOT s.revoked
     WHERE CASE WHEN j.status IN ('assigned', 'running') THEN true END
     ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
   ),
   lease AS MATERIALIZED (
     SELECT l.lease_token, l.queue, l.node_id, l.progress
     FROM ffmpeg_master.leases l JOIN silent s ON s.lease_token = l.lease_token
     WHERE l.expires_at < now() AND (l.revoked OR l.lease_token IN (SELECT f.lease_token FROM found f))
     ORDER BY l.lease_token FOR UPDATE OF l SKIP LOCKED
   ),
   ended AS MATERIALIZED (
     SELECT f.*, CASE WHEN f.failures >= f.max_retries THEN 'failed' ELSE 'queued' END AS next_status,
            NULL::timestamptz AS next_due_at, f.failures + 1 AS next_failures, 0 AS next_releases,
            f.retry_count + (f.failures < f.max_retries)::int AS next_retry_count,
            'The worker fell silent: ' || coalesce(f.node_name, 'its node') || ' did not renew the lease in time.'
              AS next_error,
            'platform_error' AS next_failure_reason, f.reported_token AS next_reported_token,
            f.reported_as AS next_reported_as, l.progress AS next_progress, NULL::jsonb AS next_result,
            false AS timed_out, 'lease_expired' AS event_type, ${LEADER} AS event_actor
     FROM found f JOIN lease l ON l.lease_token = f.lease_token
   ),
   ${settle('ended')},
   freed AS (
     DELETE FROM ffmpeg_master.leases l USING lease k WHERE l.lease_token = k.lease_token
     RETURNING l.queue, l.node_id
   ),
   ${lowerCounters('freed')}
   SELECT (SELECT count(*) FROM fence)::int AS fenced,
          (SELECT count(*) FROM silent s)::int AS looked,
          (SELECT count(*) FROM freed)::int AS rows,
          (SELECT count(*) FROM ended)::int AS jobs,
          (SELECT coalesce(array_agg(DISTINCT f.queue), '{}') FROM freed f) AS queues,
          ${jobsFinished('ended')},
          ${lanesWaiting('ended', `next_status = 'queued' AND NOT paused`)}`,
);

export interface ExpiredLeases {
  readonly fenced: number;
  /** Expired leases that the statement looked at. */
  readonly looked: number;
  /** Leases removed. */
  readonly rows: number;
  readonly finished: JobsFinished;
  /** Jobs among them that had not ended before. */
  readonly jobs: number;
  /** Queues that have more room now. */
  readonly queues: readonly string[];
  readonly lanes: LanesWaiting;
}

@Injectable()
export class RequeueExpiredLeasesRepository {
  constructor(private readonly statements: FencedStatements) {}

  requeue(term: Term, leaseDuration: Milliseconds): Promise<ExpiredLeases> {
    return this.statements.run<ExpiredLeases>(term, RequeueExpiredLeases, [leaseDuration]);
  }
}
