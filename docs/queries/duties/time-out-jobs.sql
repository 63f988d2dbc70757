-- Generated from src/duties/time-out-jobs.repository.ts by `npm run docs`.

-- TimeOutJobs
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE),
calm AS MATERIALIZED (
 SELECT c.outage_ended_at FROM ffmpeg_master.cluster_presence c CROSS JOIN fence
 WHERE c.last_seen_at > now() - interval '5 seconds'
   AND (c.outage_ended_at IS NULL OR c.outage_ended_at + $3::float8 * interval '1 millisecond' < now())
),
overdue AS MATERIALIZED (
  SELECT l.lease_token, l.job_id FROM ffmpeg_master.leases l CROSS JOIN calm
  WHERE
CASE WHEN l.revoked OR l.paused_at IS NOT NULL THEN NULL
    WHEN l.clock_from IS NULL THEN
      CASE WHEN l.assigned_at < now() - $4::float8 * interval '1 millisecond' THEN 'It was not started in time.' END
    WHEN l.timeout_seconds IS NOT NULL OR l.media_seconds IS NOT NULL THEN
      CASE WHEN l.clock_from < now() - coalesce(l.timeout_seconds * interval '1 second',
             $5::float8 * interval '1 millisecond' + l.media_seconds / 60 * $6::float8 * interval '1 millisecond')
           THEN 'It ran for longer than it may.' END
    WHEN coalesce(l.progressed_at, l.clock_from) < now() - $5::float8 * interval '1 millisecond'
      THEN 'It made no progress for too long.' END IS NOT NULL AND (l.lease_ms IS NULL OR calm.outage_ended_at IS NULL
     OR calm.outage_ended_at + l.lease_ms * interval '1 millisecond' < now()) LIMIT 200
),
found AS MATERIALIZED (
  SELECT j.* FROM ffmpeg_master.jobs j
  JOIN overdue o ON o.job_id = j.id AND o.lease_token = j.lease_token
  WHERE CASE WHEN j.status IN ('assigned', 'running') THEN true END
  ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
),
lease AS MATERIALIZED (
  SELECT l.lease_token, l.progress,
CASE WHEN l.revoked OR l.paused_at IS NOT NULL THEN NULL
    WHEN l.clock_from IS NULL THEN
      CASE WHEN l.assigned_at < now() - $4::float8 * interval '1 millisecond' THEN 'It was not started in time.' END
    WHEN l.timeout_seconds IS NOT NULL OR l.media_seconds IS NOT NULL THEN
      CASE WHEN l.clock_from < now() - coalesce(l.timeout_seconds * interval '1 second',
             $5::float8 * interval '1 millisecond' + l.media_seconds / 60 * $6::float8 * interval '1 millisecond')
           THEN 'It ran for longer than it may.' END
    WHEN coalesce(l.progressed_at, l.clock_from) < now() - $5::float8 * interval '1 millisecond'
      THEN 'It made no progress for too long.' END AS late
  FROM ffmpeg_master.leases l
  WHERE l.lease_token IN (SELECT f.lease_token FROM found f) AND
CASE WHEN l.revoked OR l.paused_at IS NOT NULL THEN NULL
    WHEN l.clock_from IS NULL THEN
      CASE WHEN l.assigned_at < now() - $4::float8 * interval '1 millisecond' THEN 'It was not started in time.' END
    WHEN l.timeout_seconds IS NOT NULL OR l.media_seconds IS NOT NULL THEN
      CASE WHEN l.clock_from < now() - coalesce(l.timeout_seconds * interval '1 second',
             $5::float8 * interval '1 millisecond' + l.media_seconds / 60 * $6::float8 * interval '1 millisecond')
           THEN 'It ran for longer than it may.' END
    WHEN coalesce(l.progressed_at, l.clock_from) < now() - $5::float8 * interval '1 millisecond'
      THEN 'It made no progress for too long.' END IS NOT NULL
  ORDER BY l.lease_token FOR UPDATE OF l SKIP LOCKED
),
ended AS MATERIALIZED (
  SELECT f.*, o.next_status,
         CASE WHEN o.next_status = 'retrying'
              THEN now() + ($7::float8[])[least(f.failures + 1, cardinality($7::float8[]))]
                         * (0.8 + 0.2 * random()) * interval '1 millisecond' END AS next_due_at,
         f.failures + 1 AS next_failures, 0 AS next_releases,
         f.retry_count + (o.next_status = 'retrying')::int AS next_retry_count,
         l.late AS next_error, 'timeout' AS next_failure_reason, f.reported_token AS next_reported_token,
         f.reported_as AS next_reported_as, l.progress AS next_progress, NULL::jsonb AS next_result,
         true AS timed_out, o.next_status AS event_type, 'leader/' || $1::bigint AS event_actor
  FROM found f
  JOIN lease l ON l.lease_token = f.lease_token
  CROSS JOIN LATERAL (
    SELECT CASE WHEN f.failures >= f.max_retries THEN 'failed' ELSE 'retrying' END AS next_status
  ) o
),

deleted_job AS (
 DELETE FROM ffmpeg_master.jobs j USING ended e
 WHERE j.id = ANY (ARRAY(SELECT e.id FROM ended e)) AND j.id = e.id AND e.next_status IN ('completed', 'failed', 'canceled', 'rejected')
 RETURNING j.*, e.next_status, e.next_failures, e.next_releases, e.next_retry_count, e.next_reported_token,
           e.next_reported_as, e.next_error, e.next_failure_reason, e.next_progress, e.next_result, e.timed_out
),
archived_job AS (
 INSERT INTO ffmpeg_master.job_history (id, sequence_number, tenant_id, scenario, parameters, queue, priority, requirements, engine, classification, confidence, tags, status, paused, lane_id, position, run_at, due_at, max_retries, timeout_seconds, attempt, failures, releases, retry_count, node_id, node_name, claim_id, lease_token, reported_token, reported_as, event_count, event_order, created_at, assigned_at, started_at, error, failure_reason, progress, result, completed_at, archived_on)
 SELECT d.id, d.sequence_number, d.tenant_id, d.scenario, d.parameters, d.queue, d.priority, d.requirements, d.engine, d.classification, d.confidence, d.tags, d.next_status AS status, false AS paused, d.lane_id, d.position, d.run_at, NULL::timestamptz AS due_at, d.max_retries, d.timeout_seconds, d.attempt, d.next_failures AS failures, d.next_releases AS releases, d.next_retry_count AS retry_count, d.node_id, d.node_name, d.claim_id, d.lease_token, d.next_reported_token AS reported_token, d.next_reported_as AS reported_as, d.event_count + 1 + d.timed_out::int AS event_count, greatest(d.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l)) AS event_order, d.created_at, d.assigned_at, d.started_at, d.next_error AS error, d.next_failure_reason AS failure_reason,
   d.next_progress, d.next_result, now(), (now() AT TIME ZONE 'UTC')::date
 FROM deleted_job d
),
kept_job AS (
 UPDATE ffmpeg_master.jobs j
 SET status = e.next_status, due_at = e.next_due_at,
     failures = e.next_failures, releases = e.next_releases, retry_count = e.next_retry_count,
     node_id = NULL, node_name = NULL, claim_id = NULL, lease_token = NULL, assigned_at = NULL, started_at = NULL,
     reported_token = e.next_reported_token, reported_as = e.next_reported_as,
     event_count = e.event_count + 1 + e.timed_out::int, event_order = greatest(e.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l)),
     error = e.next_error, failure_reason = e.next_failure_reason
 FROM ended e
 WHERE j.id = ANY (ARRAY(SELECT e.id FROM ended e WHERE e.next_status IN ('queued', 'retrying')))
   AND j.id = e.id AND e.next_status IN ('queued', 'retrying')
 RETURNING j.id
),
settled_event AS (
 INSERT INTO ffmpeg_master.job_events
   (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token,
    tenant_id, queue, tags, actor, data)
 SELECT (now() AT TIME ZONE 'UTC')::date, e.id, e.event_count + step.k, (greatest(e.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l)) >> 48)::int, (greatest(e.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l)) & 281474976710655)::text::xid8,
        CASE WHEN e.timed_out AND step.k = 1 THEN 'timed_out' ELSE e.event_type END,
        CASE WHEN step.k = 2 THEN 'timed_out' ELSE e.status END,
        CASE WHEN e.timed_out AND step.k = 1 THEN 'timed_out' ELSE e.next_status END,
        e.attempt, e.node_id, e.lease_token, e.tenant_id, e.queue, e.tags, e.event_actor,
        CASE WHEN e.next_error IS NULL AND e.next_failure_reason IS NULL AND e.next_due_at IS NULL THEN '{}'::jsonb
             ELSE jsonb_strip_nulls(jsonb_build_object('error', e.next_error, 'failure_reason',
                                                       e.next_failure_reason, 'due_at', e.next_due_at)) END
 FROM ended e
 JOIN (VALUES (1), (2)) AS step(k) ON step.k = 1 OR e.timed_out
 ORDER BY e.id, step.k
),
revoked AS (
  UPDATE ffmpeg_master.leases l SET revoked = true FROM lease k WHERE l.lease_token = k.lease_token
)
SELECT (SELECT count(*) FROM fence)::int AS fenced,
       (SELECT count(*) FROM overdue o)::int AS looked,
       (SELECT count(*) FROM ended)::int AS rows,
       (SELECT coalesce(jsonb_object_agg(t.queue, t.jobs), '{}')
        FROM (SELECT queue, count(*) AS jobs FROM ended WHERE next_status = 'failed' GROUP BY queue) t) AS finished,
       (SELECT min(e.next_due_at) FROM ended e) AS due_at;
