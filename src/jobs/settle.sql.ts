import { eventOrder, placeOf } from './event-order.sql.js';
import { jobColumns, JOB_COLUMNS, TODAY } from './job-columns.js';

/** What the last event of an attempt tells of its job. */
export const SETTLED_COLUMNS =
  'j.attempt, j.node_id, j.lease_token, j.tenant_id, j.queue, j.tags, j.event_count, j.event_order';

/**
 * What becomes of jobs whose attempt is over, as CTEs behind a CTE `source` that holds, of each locked row,
 * `id`, `status` and the `SETTLED_COLUMNS` as they were, and what shall become of it:
 *
 * | column | |
 * |---|---|
 * | next_status text | a terminal state (the job moves to history), `retrying` or `queued` (it stays) |
 * | next_due_at timestamptz | for `retrying` |
 * | next_failures, next_releases, next_retry_count int | the counts afterwards |
 * | next_error, next_failure_reason text | |
 * | next_reported_token bigint, next_reported_as text | what a repeat of this report is compared with |
 * | next_progress real, next_result jsonb | for a terminal state |
 * | timed_out boolean | the job passes through `timed_out`, which is an event of its own |
 * | event_type, event_actor text | of the (last) event |
 *
 * Rows are named by an array, of which the planner expects ten, and so looks each up whatever it thinks of the table.
 * The whole row is carried once, by the DELETE: every further copy of 36 columns costs 2 µs a job.
 *
 * Defines `deleted_job`, `archived_job`, `kept_job` and `settled_event`. Every way a job's attempt can
 * end (report, cancel, expired lease, time-out) goes through here, so that history, counts and events
 * cannot differ between them.
 */
export function settle(source: string): string {
  return `
  deleted_job AS (
    DELETE FROM ffmpeg_master.jobs j USING ${source} e
    WHERE j.id = ANY (ARRAY(SELECT e.id FROM ${source} e)) AND j.id = e.id AND e.next_status IN ('completed', 'failed', 'canceled', 'rejected')
    RETURNING j.*, e.next_status, e.next_failures, e.next_releases, e.next_retry_count, e.next_reported_token,
              e.next_reported_as, e.next_error, e.next_failure_reason, e.next_progress, e.next_result, e.timed_out
  ),
  archived_job AS (
    INSERT INTO ffmpeg_master.job_history (${JOB_COLUMNS.join(', ')}, progress, result, completed_at, archived_on)
    SELECT ${jobColumns('d', {
      status: 'd.next_status',
      paused: 'false',
      due_at: 'NULL::timestamptz',
      failures: 'd.next_failures',
      releases: 'd.next_releases',
      retry_count: 'd.next_retry_count',
      reported_token: 'd.next_reported_token',
      reported_as: 'd.next_reported_as',
      event_count: 'd.event_count + 1 + d.timed_out::int',
      event_order: eventOrder('d.event_order'),
      error: 'd.next_error',
      failure_reason: 'd.next_failure_reason',
    })},
      d.next_progress, d.next_result, now(), ${TODAY}
    FROM deleted_job d
  ),
  kept_job AS (
    UPDATE ffmpeg_master.jobs j
    SET status = e.next_status, due_at = e.next_due_at,
        failures = e.next_failures, releases = e.next_releases, retry_count = e.next_retry_count,
        node_id = NULL, node_name = NULL, claim_id = NULL, lease_token = NULL, assigned_at = NULL, started_at = NULL,
        reported_token = e.next_reported_token, reported_as = e.next_reported_as,
        event_count = e.event_count + 1 + e.timed_out::int, event_order = ${eventOrder('e.event_order')},
        error = e.next_error, failure_reason = e.next_failure_reason
    FROM ${source} e
    WHERE j.id = ANY (ARRAY(SELECT e.id FROM ${source} e WHERE e.next_status IN ('queued', 'retrying')))
      AND j.id = e.id AND e.next_status IN ('queued', 'retrying')
    RETURNING j.id
  ),
  settled_event AS (
    INSERT INTO ffmpeg_master.job_events
      (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token,
       tenant_id, queue, tags, actor, data)
    SELECT ${TODAY}, e.id, e.event_count + step.k, ${placeOf(eventOrder('e.event_order'))},
           CASE WHEN e.timed_out AND step.k = 1 THEN 'timed_out' ELSE e.event_type END,
           CASE WHEN step.k = 2 THEN 'timed_out' ELSE e.status END,
           CASE WHEN e.timed_out AND step.k = 1 THEN 'timed_out' ELSE e.next_status END,
           e.attempt, e.node_id, e.lease_token, e.tenant_id, e.queue, e.tags, e.event_actor,
           CASE WHEN e.next_error IS NULL AND e.next_failure_reason IS NULL AND e.next_due_at IS NULL THEN '{}'::jsonb
                ELSE jsonb_strip_nulls(jsonb_build_object('error', e.next_error, 'failure_reason',
                                                          e.next_failure_reason, 'due_at', e.next_due_at)) END
    FROM ${source} e
    JOIN (VALUES (1), (2)) AS step(k) ON step.k = 1 OR e.timed_out
    ORDER BY e.id, step.k
  )`;
}

/**
 * Lowers the counters of the leases in the CTE `freed` (columns queue, node_id), queues before nodes and
 * each by key, the order in which every statement locks them. Their new values go through arrays, of which the
 * planner expects ten rows: expecting a hundred it read all 2,000 counters for one report.
 */
export function lowerCounters(freed: string): string {
  return `
  locked_queue AS MATERIALIZED (
    SELECT c.queue FROM ffmpeg_master.queue_counters c
    WHERE c.queue IN (SELECT f.queue FROM ${freed} f)
    ORDER BY c.queue FOR UPDATE OF c
  ),
  lowered_queue AS (
    UPDATE ffmpeg_master.queue_counters c SET running = c.running - f.freed
    FROM (SELECT queue, count(*)::int AS freed FROM ${freed} GROUP BY queue) f
    WHERE c.queue = f.queue AND (SELECT count(*) FROM locked_queue) >= 0
  ),
  locked_node AS MATERIALIZED (
    SELECT c.node_id
    FROM (SELECT DISTINCT f.node_id FROM ${freed} f WHERE (SELECT count(*) FROM locked_queue) >= 0 ORDER BY f.node_id) f
    CROSS JOIN LATERAL (
      SELECT c.node_id FROM ffmpeg_master.node_counters c WHERE c.node_id = f.node_id FOR UPDATE
    ) c
  ),
  lowered_node AS (
    UPDATE ffmpeg_master.node_counters c SET running = c.running - u.freed
    FROM (
      SELECT array_agg(f.node_id) AS node_ids, array_agg(f.freed) AS freed
      FROM (SELECT node_id, count(*)::int AS freed FROM ${freed} GROUP BY node_id) f
      WHERE (SELECT count(*) FROM locked_node) >= 0
    ) f
    CROSS JOIN LATERAL unnest(f.node_ids, f.freed) AS u(node_id, freed)
    WHERE c.node_id = u.node_id
  )`;
}
