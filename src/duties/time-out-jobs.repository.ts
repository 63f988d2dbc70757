import { Injectable } from '@nestjs/common';
import type { TimeoutSettings } from '../config/settings.js';
import type { Milliseconds } from '../config/durations.js';
import { statement } from '../database/statement.js';
import { JITTER_SQL } from '../jobs/backoff.js';
import { settle } from '../jobs/settle.sql.js';
import { FENCE, LEADER } from '../leadership/fence.sql.js';
import type { Term } from '../leadership/leadership.js';
import { calm, CALM_FOR_LEASE } from './calm.sql.js';
import { FencedStatements } from './fenced-statements.repository.js';
import { jobsFinished, type JobsFinished } from './jobs-finished.sql.js';

export const TIMEOUTS_A_STATEMENT = 200;

const milliseconds = (parameter: string) => `${parameter}::float8 * interval '1 millisecond'`;

/**
 * How an attempt in the lease `l` is late; NULL where it is not. $4 assigned_timeout, $5 running_timeout_base,
 * $6 running_timeout_per_minute. A paused attempt has no clock.
 */
const LATE = `
  CASE WHEN l.revoked OR l.paused_at IS NOT NULL THEN NULL
       WHEN l.clock_from IS NULL THEN
         CASE WHEN l.assigned_at < now() - ${milliseconds('$4')} THEN 'It was not started in time.' END
       WHEN l.timeout_seconds IS NOT NULL OR l.media_seconds IS NOT NULL THEN
         CASE WHEN l.clock_from < now() - coalesce(l.timeout_seconds * interval '1 second',
                ${milliseconds('$5')} + l.media_seconds / 60 * ${milliseconds('$6')})
              THEN 'It ran for longer than it may.' END
       WHEN coalesce(l.progressed_at, l.clock_from) < now() - ${milliseconds('$5')}
         THEN 'It made no progress for too long.' END`;

// The lease stays, revoked: its worker is told so at its next heartbeat and frees the slot. LATE is asked
// twice, since the lock re-checks it on the newest row: a heartbeat may just have told of the start.
const TimeOutJobs = statement(
  'TimeOutJobs',
  `WITH ${FENCE}, ${calm('$3')},
   overdue AS MATERIALIZED (
     SELECT l.lease_token, l.job_id FROM ffmpeg_master.leases l CROSS JOIN calm
     WHERE ${LATE} IS NOT NULL AND ${CALM_FOR_LEASE} LIMIT ${TIMEOUTS_A_STATEMENT}
   ),
   found AS MATERIALIZED (
     SELECT j.* FROM ffmpeg_master.jobs j
     JOIN overdue o ON o.job_id = j.id AND o.lease_token = j.lease_token
     WHERE CASE WHEN j.status IN ('assigned', 'running') THEN true END
     ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
   ),
   lease AS MATERIALIZED (
     SELECT l.lease_token, l.progress, ${LATE} AS late
     FROM ffmpeg_master.leases l
     WHERE l.lease_token IN (SELECT f.lease_token FROM found f) AND ${LATE} IS NOT NULL
     ORDER BY l.lease_token FOR UPDATE OF l SKIP LOCKED
   ),
   ended AS MATERIALIZED (
     SELECT f.*, o.next_status,
            CASE WHEN o.next_status = 'retrying'
                 THEN now() + ($7::float8[])[least(f.failures + 1, cardinality($7::float8[]))]
                            * ${JITTER_SQL} * interval '1 millisecond' END AS next_due_at,
            f.failures + 1 AS next_failures, 0 AS next_releases,
            f.retry_count + (o.next_status = 'retrying')::int AS next_retry_count,
            l.late AS next_error, 'timeout' AS next_failure_reason, f.reported_token AS next_reported_token,
            f.reported_as AS next_reported_as, l.progress AS next_progress, NULL::jsonb AS next_result,
            true AS timed_out, o.next_status AS event_type, ${LEADER} AS event_actor
     FROM found f
     JOIN lease l ON l.lease_token = f.lease_token
     CROSS JOIN LATERAL (
       SELECT CASE WHEN f.failures >= f.max_retries THEN 'failed' ELSE 'retrying' END AS next_status
     ) o
   ),
   ${settle('ended')},
   revoked AS (
     UPDATE ffmpeg_master.leases l SET revoked = true FROM lease k WHERE l.lease_token = k.lease_token
   )
   SELECT (SELECT count(*) FROM fence)::int AS fenced,
          (SELECT count(*) FROM overdue o)::int AS looked,
          (SELECT count(*) FROM ended)::int AS rows,
          ${jobsFinished('ended')},
          (SELECT min(e.next_due_at) FROM ended e) AS due_at`,
);

export interface TimedOutJobs {
  readonly fenced: number;
  /** Late attempts that the statement looked at. */
  readonly looked: number;
  readonly rows: number;
  readonly finished: JobsFinished;
  /** When the first of them is due again. */
  readonly due_at: Date | null;
}

@Injectable()
export class TimeOutJobsRepository {
  constructor(private readonly statements: FencedStatements) {}

  /** @param backoff the delay before retry 1, 2, …, in milliseconds */
  timeOut(
    term: Term,
    timeouts: TimeoutSettings,
    leaseDuration: Milliseconds,
    backoff: readonly Milliseconds[],
  ): Promise<TimedOutJobs> {
    return this.statements.run<TimedOutJobs>(term, TimeOutJobs, [
      leaseDuration,
      timeouts.assigned_timeout,
      timeouts.running_timeout_base,
      timeouts.running_timeout_per_minute,
      backoff,
    ]);
  }
}
