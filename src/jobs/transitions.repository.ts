import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement, type Statement } from '../database/statement.js';
import { eventOrder, placeOf } from './event-order.sql.js';
import { jobColumns, JOB_COLUMNS, TODAY } from './job-columns.js';
import { settle } from './settle.sql.js';

/** What a statement changed: the job's lane, so that its workers can be told. */
export interface Changed {
  id: string;
  lane_id: number;
  waiting: boolean;
}

/**
 * An event beside a change that keeps the state; `source` is the CTE of the changed rows (jobs.*), whose
 * event_count and event_order are already raised.
 */
function stillEvent(source: string, type: string, actor: string): string {
  return `
  event AS (
    INSERT INTO ffmpeg_master.job_events
      (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token,
       tenant_id, queue, tags, actor)
    SELECT ${TODAY}, c.id, c.event_count, ${placeOf('c.event_order')}, '${type}', c.status, c.status, c.attempt, c.node_id,
           c.lease_token, c.tenant_id, c.queue, c.tags, ${actor}
    FROM ${source} c
  )`;
}

// Cancel, pause and resume lock the job first and look at its lease with a later snapshot: a claim that
// commits while they wait for the job has made a lease that their first snapshot cannot see. A canceled job
// would keep it, and its worker would encode to the end.
const LOCK_JOB = statement(
  'LockJob',
  `SELECT j.id FROM ffmpeg_master.jobs j WHERE j.id = $1 AND j.tenant_id = $2 FOR UPDATE`,
);

// The lease stays, revoked: the worker still uses its slot until it says otherwise.
const CANCEL_JOB = statement(
  'CancelJob',
  `WITH ended AS MATERIALIZED (
     SELECT j.*, 'canceled' AS next_status, NULL::timestamptz AS next_due_at, j.failures AS next_failures,
            j.releases AS next_releases, j.retry_count AS next_retry_count, j.error AS next_error,
            j.failure_reason AS next_failure_reason, j.reported_token AS next_reported_token,
            j.reported_as AS next_reported_as, coalesce(l.progress, 0) AS next_progress, NULL::jsonb AS next_result,
            false AS timed_out, 'canceled' AS event_type, $3::text AS event_actor
     FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
     WHERE j.id = $1 AND j.tenant_id = $2 FOR UPDATE OF j
   ),
   ${settle('ended')},
   revoked AS (
     UPDATE ffmpeg_master.leases l SET revoked = true, canceled = true
     FROM ended e WHERE l.lease_token = e.lease_token
   )
   SELECT e.id, e.lane_id, false AS waiting FROM ended e JOIN deleted_job d ON d.id = e.id`,
);

const PAUSE_JOB = statement(
  'PauseJob',
  `WITH changed AS (
     UPDATE ffmpeg_master.jobs j SET paused = true, event_count = j.event_count + 1, event_order = ${eventOrder('j.event_order')}
     WHERE j.id = $1 AND j.tenant_id = $2 AND NOT j.paused
     RETURNING j.*
   ),
   clock AS (
     UPDATE ffmpeg_master.leases l SET paused_at = now()
     FROM changed c WHERE l.lease_token = c.lease_token AND l.paused_at IS NULL
   ),
   ${stillEvent('changed', 'paused', '$3')}
   SELECT c.id, c.lane_id, false AS waiting FROM changed c`,
);

// The attempt's clocks stood still meanwhile: of an assigned one the time until it must have started, of a
// running one its wall clock. One that began while it was paused (the worker had not yet heard) stood still
// from then on.
const RESUME_JOB = statement(
  'ResumeJob',
  `WITH changed AS (
     UPDATE ffmpeg_master.jobs j SET paused = false, event_count = j.event_count + 1, event_order = ${eventOrder('j.event_order')}
     WHERE j.id = $1 AND j.tenant_id = $2 AND j.paused
     RETURNING j.*
   ),
   clock AS (
     UPDATE ffmpeg_master.leases l
     SET assigned_at = l.assigned_at + (now() - l.paused_at),
         clock_from = l.clock_from + (now() - greatest(l.paused_at, l.clock_from)),
         progressed_at = now(), paused_at = NULL
     FROM changed c WHERE l.lease_token = c.lease_token AND l.paused_at IS NOT NULL
   ),
   ${stillEvent('changed', 'resumed', '$3')}
   SELECT c.id, c.lane_id, c.status = 'queued' AND c.due_at IS NULL AS waiting FROM changed c`,
);

// Not prepared: see History. What counted against max_retries starts again; the place in the lane stays, and so does
// a run_at that is still to come.
const RETRY_JOB = statement(
  'RetryJob',
  `WITH gone AS MATERIALIZED (
     SELECT h.* FROM ffmpeg_master.job_history h
     WHERE h.archived_on = $4 AND h.id = $1 AND h.tenant_id = $2 AND h.status IN ('failed', 'canceled')
     FOR UPDATE
   ),
   deleted AS (
     DELETE FROM ffmpeg_master.job_history h USING gone g WHERE h.archived_on = $4 AND h.id = g.id RETURNING h.id
   ),
   back AS (
     INSERT INTO ffmpeg_master.jobs (${JOB_COLUMNS.join(', ')})
     SELECT ${jobColumns('g', {
       status: "'queued'",
       paused: 'false',
       run_at: 'g.run_at',
       due_at: 'CASE WHEN g.run_at > now() THEN g.run_at END',
       failures: '0',
       releases: '0',
       retry_count: 'g.retry_count + 1',
       node_id: 'NULL::uuid',
       node_name: 'NULL::text',
       claim_id: 'NULL::uuid',
       lease_token: 'NULL::bigint',
       event_count: 'g.event_count + 1',
       event_order: eventOrder('g.event_order'),
       assigned_at: 'NULL::timestamptz',
       started_at: 'NULL::timestamptz',
       error: 'NULL::text',
       failure_reason: 'NULL::text',
     })}
     FROM gone g JOIN deleted d ON d.id = g.id
     ON CONFLICT (id) DO NOTHING
     RETURNING *
   ),
   event AS (
     INSERT INTO ffmpeg_master.job_events
       (day, job_id, n, generation, xid, type, from_status, to_status, attempt, tenant_id, queue, tags, actor)
     SELECT ${TODAY}, b.id, b.event_count, ${placeOf('b.event_order')}, 'retried', g.status, 'queued', b.attempt, b.tenant_id,
            b.queue, b.tags, $3
     FROM back b JOIN gone g ON g.id = b.id
   )
   SELECT b.id, b.lane_id, b.due_at IS NULL AS waiting FROM back b`,
  { prepared: false },
);

/** What people do to jobs, one at a time. Each answers undefined where the job's state forbade it. */
@Injectable()
export class TransitionsRepository {
  constructor(private readonly database: Database) {}

  cancel(id: string, tenant_id: string, actor: string): Promise<Changed | undefined> {
    return this.locked(CANCEL_JOB, id, tenant_id, actor);
  }

  pause(id: string, tenant_id: string, actor: string): Promise<Changed | undefined> {
    return this.locked(PAUSE_JOB, id, tenant_id, actor);
  }

  resume(id: string, tenant_id: string, actor: string): Promise<Changed | undefined> {
    return this.locked(RESUME_JOB, id, tenant_id, actor);
  }

  async retry(
    id: string,
    tenant_id: string,
    actor: string,
    archived_on: string,
  ): Promise<Changed | undefined> {
    const [row] = await this.database.query<Changed>(RETRY_JOB, [id, tenant_id, actor, archived_on]);
    return row;
  }

  private locked(change: Statement, id: string, tenant_id: string, actor: string) {
    return this.database.transaction(async (transaction) => {
      await transaction.query(LOCK_JOB, [id, tenant_id]);
      const [row] = await transaction.query<Changed>(change, [id, tenant_id, actor]);
      return row;
    });
  }
}
