-- Generated from src/dispatch/report.repository.ts by `npm run docs`.

-- ReportAttempts
WITH input AS MATERIALIZED (
  SELECT * FROM json_to_recordset($1::json)
    AS i(ordinal int, node_id uuid, job_id uuid, lease_token bigint, status text, result jsonb, error text,
         failure_reason text, permanent boolean, jitter float8, actor text)
),
found AS MATERIALIZED (
  SELECT j.*, i.ordinal, i.status AS reported, i.result AS sent_result, i.error AS sent_error,
         i.failure_reason AS sent_reason, i.permanent, i.jitter, i.actor
  FROM ffmpeg_master.jobs j
  JOIN (SELECT DISTINCT ON (job_id, lease_token, node_id) * FROM input
        ORDER BY job_id, lease_token, node_id, ordinal) i
    ON i.job_id = j.id AND i.lease_token = j.lease_token AND i.node_id = j.node_id
  WHERE j.id = ANY($2::uuid[]) AND CASE WHEN j.status IN ('assigned', 'running') THEN true END
  ORDER BY j.id FOR UPDATE OF j
),
held AS MATERIALIZED (
  SELECT l.lease_token, l.queue, l.node_id, l.progress, l.revoked, i.ordinal
  FROM ffmpeg_master.leases l
  JOIN input i ON i.lease_token = l.lease_token AND i.job_id = l.job_id AND i.node_id = l.node_id
  WHERE l.lease_token = ANY($3::bigint[]) AND (SELECT count(*) FROM found) >= 0
  ORDER BY l.lease_token FOR UPDATE OF l
),
lease AS MATERIALIZED (
  SELECT h.* FROM held h WHERE h.revoked OR h.lease_token IN (SELECT f.lease_token FROM found f)
),
judged AS MATERIALIZED (
  SELECT f.*,
         CASE WHEN f.reported IN ('completed', 'canceled') THEN f.reported
              WHEN f.reported = 'released' AND f.releases < 20 THEN 'queued'
              WHEN f.permanent OR f.failures >= f.max_retries THEN 'failed'
              ELSE 'retrying' END AS next_status,
         coalesce((SELECT l.progress FROM lease l WHERE l.lease_token = f.lease_token LIMIT 1), 0) AS next_progress
  FROM found f
),
ended AS MATERIALIZED (
  SELECT g.*,
         CASE WHEN g.next_status = 'retrying'
              THEN now() + ($4::float8[])[least(g.failures + 1, cardinality($4::float8[]))] * g.jitter
                         * interval '1 millisecond' END AS next_due_at,
         g.failures + (g.next_status <> 'queued')::int AS next_failures,
         CASE WHEN g.reported = 'released' THEN g.releases + 1 ELSE 0 END AS next_releases,
         g.retry_count + (g.next_status = 'retrying')::int AS next_retry_count,
         CASE WHEN g.next_status IN ('completed', 'queued') THEN NULL
              WHEN g.reported = 'released' THEN coalesce(g.sent_error, 'It was handed back too often.')
              ELSE g.sent_error END AS next_error,
         CASE WHEN g.next_status NOT IN ('failed', 'retrying') THEN NULL
              WHEN g.reported = 'released' THEN 'platform_error'
              ELSE coalesce(g.sent_reason, 'runtime_error') END AS next_failure_reason,
         g.lease_token AS next_reported_token, g.reported AS next_reported_as, g.sent_result AS next_result,
         false AS timed_out,
         CASE WHEN g.next_status = 'queued' THEN 'released' ELSE g.next_status END AS event_type,
         g.actor AS event_actor
  FROM judged g
),

deleted_job AS (
 DELETE FROM ffmpeg_master.jobs j USING ended e
 WHERE j.id = e.id AND e.next_status IN ('completed', 'failed', 'canceled', 'rejected')
 RETURNING j.id
),
archived_job AS (
 INSERT INTO ffmpeg_master.job_history (id, sequence_number, tenant_id, scenario, parameters, queue, priority, requirements, engine, classification, confidence, tags, status, paused, lane_id, position, run_at, due_at, max_retries, timeout_seconds, attempt, failures, releases, retry_count, node_id, node_name, claim_id, lease_token, reported_token, reported_as, event_count, created_at, assigned_at, started_at, error, failure_reason, progress, result, completed_at, archived_on)
 SELECT e.id, e.sequence_number, e.tenant_id, e.scenario, e.parameters, e.queue, e.priority, e.requirements, e.engine, e.classification, e.confidence, e.tags, e.next_status AS status, false AS paused, e.lane_id, e.position, e.run_at, NULL::timestamptz AS due_at, e.max_retries, e.timeout_seconds, e.attempt, e.next_failures AS failures, e.next_releases AS releases, e.next_retry_count AS retry_count, e.node_id, e.node_name, e.claim_id, e.lease_token, e.next_reported_token AS reported_token, e.next_reported_as AS reported_as, e.event_count + 1 + e.timed_out::int AS event_count, e.created_at, e.assigned_at, e.started_at, e.next_error AS error, e.next_failure_reason AS failure_reason,
   e.next_progress, e.next_result, now(), (now() AT TIME ZONE 'UTC')::date
 FROM ended e JOIN deleted_job d ON d.id = e.id
),
kept_job AS (
 UPDATE ffmpeg_master.jobs j
 SET status = e.next_status, due_at = e.next_due_at,
     failures = e.next_failures, releases = e.next_releases, retry_count = e.next_retry_count,
     node_id = NULL, node_name = NULL, claim_id = NULL, lease_token = NULL, assigned_at = NULL, started_at = NULL,
     reported_token = e.next_reported_token, reported_as = e.next_reported_as,
     event_count = e.event_count + 1 + e.timed_out::int,
     error = e.next_error, failure_reason = e.next_failure_reason
 FROM ended e
 WHERE j.id = e.id AND e.next_status IN ('queued', 'retrying')
 RETURNING j.id
),
settled_event AS (
 INSERT INTO ffmpeg_master.job_events
   (day, job_id, n, generation, type, from_status, to_status, attempt, node_id, lease_token,
    tenant_id, queue, tags, actor, data)
 SELECT (now() AT TIME ZONE 'UTC')::date, e.id, e.event_count + step.k, l.generation,
        CASE WHEN e.timed_out AND step.k = 1 THEN 'timed_out' ELSE e.event_type END,
        CASE WHEN step.k = 2 THEN 'timed_out' ELSE e.status END,
        CASE WHEN e.timed_out AND step.k = 1 THEN 'timed_out' ELSE e.next_status END,
        e.attempt, e.node_id, e.lease_token, e.tenant_id, e.queue, e.tags, e.event_actor,
        jsonb_strip_nulls(jsonb_build_object('error', e.next_error, 'failure_reason', e.next_failure_reason,
                                             'due_at', e.next_due_at))
 FROM ended e
 CROSS JOIN LATERAL generate_series(1, 1 + e.timed_out::int) AS step(k)
 CROSS JOIN ffmpeg_master.leadership l
 ORDER BY e.id, step.k
),
freed AS (
  DELETE FROM ffmpeg_master.leases l USING lease k WHERE l.lease_token = k.lease_token
  RETURNING l.queue, l.node_id, l.lease_token
),

locked_queue AS MATERIALIZED (
 SELECT c.queue FROM ffmpeg_master.queue_counters c
 WHERE c.queue IN (SELECT f.queue FROM freed f)
 ORDER BY c.queue FOR UPDATE OF c
),
lowered_queue AS (
 UPDATE ffmpeg_master.queue_counters c SET running = c.running - f.freed
 FROM (SELECT queue, count(*)::int AS freed FROM freed GROUP BY queue) f
 WHERE c.queue = f.queue AND c.queue IN (SELECT queue FROM locked_queue)
),
locked_node AS MATERIALIZED (
 SELECT c.node_id FROM ffmpeg_master.node_counters c
 WHERE c.node_id IN (SELECT f.node_id FROM freed f) AND (SELECT count(*) FROM locked_queue) >= 0
 ORDER BY c.node_id FOR UPDATE OF c
),
lowered_node AS (
 UPDATE ffmpeg_master.node_counters c SET running = c.running - f.freed
 FROM (SELECT node_id, count(*)::int AS freed FROM freed GROUP BY node_id) f
 WHERE c.node_id = f.node_id AND c.node_id IN (SELECT node_id FROM locked_node)
)
SELECT i.ordinal, e.id IS NOT NULL AS accepted, k.queue, e.lane_id,
       CASE WHEN e.next_status NOT IN ('queued', 'retrying') THEN e.queue END AS finished,
       coalesce(e.next_status = 'queued' AND NOT e.paused, false) AS waiting, e.next_due_at AS due_at
FROM input i
LEFT JOIN ended e ON e.ordinal = i.ordinal
LEFT JOIN lease k ON k.ordinal = i.ordinal;

-- FindReportedJobs
SELECT j.id, j.reported_token, j.reported_as FROM ffmpeg_master.jobs j WHERE j.id = ANY($1::uuid[]);
