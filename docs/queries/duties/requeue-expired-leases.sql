-- Generated from src/duties/requeue-expired-leases.repository.ts by `npm run docs`.

-- RequeueExpiredLeases
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE),
calm AS MATERIALIZED (
 SELECT c.outage_ended_at FROM ffmpeg_master.cluster_presence c CROSS JOIN fence
 WHERE c.last_seen_at > now() - interval '5 seconds'
   AND (c.outage_ended_at IS NULL OR c.outage_ended_at + $3::float8 * interval '1 millisecond' < now())
),
silent AS MATERIALIZED (
  SELECT l.lease_token, l.job_id, l.revoked FROM ffmpeg_master.leases l CROSS JOIN calm
  WHERE l.expires_at < now() AND (l.lease_ms IS NULL OR calm.outage_ended_at IS NULL
     OR calm.outage_ended_at + l.lease_ms * interval '1 millisecond' < now()) LIMIT 200
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
         false AS timed_out, 'lease_expired' AS event_type, 'leader/' || $1::bigint AS event_actor
  FROM found f JOIN lease l ON l.lease_token = f.lease_token
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
freed AS (
  DELETE FROM ffmpeg_master.leases l USING lease k WHERE l.lease_token = k.lease_token
  RETURNING l.queue, l.node_id
),

locked_queue AS MATERIALIZED (
 SELECT c.queue FROM ffmpeg_master.queue_counters c
 WHERE c.queue IN (SELECT f.queue FROM freed f)
 ORDER BY c.queue FOR UPDATE OF c
),
lowered_queue AS (
 UPDATE ffmpeg_master.queue_counters c SET running = c.running - f.freed
 FROM (SELECT queue, count(*)::int AS freed FROM freed GROUP BY queue) f
 WHERE c.queue = f.queue AND (SELECT count(*) FROM locked_queue) >= 0
),
locked_node AS MATERIALIZED (
 SELECT c.node_id
 FROM (SELECT DISTINCT f.node_id FROM freed f WHERE (SELECT count(*) FROM locked_queue) >= 0 ORDER BY f.node_id) f
 CROSS JOIN LATERAL (
   SELECT c.node_id FROM ffmpeg_master.node_counters c WHERE c.node_id = f.node_id FOR UPDATE
 ) c
),
lowered_node AS (
 UPDATE ffmpeg_master.node_counters c SET running = c.running - u.freed
 FROM (
   SELECT array_agg(f.node_id) AS node_ids, array_agg(f.freed) AS freed
   FROM (SELECT node_id, count(*)::int AS freed FROM freed GROUP BY node_id) f
   WHERE (SELECT count(*) FROM locked_node) >= 0
 ) f
 CROSS JOIN LATERAL unnest(f.node_ids, f.freed) AS u(node_id, freed)
 WHERE c.node_id = u.node_id
)
SELECT (SELECT count(*) FROM fence)::int AS fenced,
       (SELECT count(*) FROM silent s)::int AS looked,
       (SELECT count(*) FROM freed)::int AS rows,
       (SELECT count(*) FROM ended)::int AS jobs,
       (SELECT coalesce(array_agg(DISTINCT f.queue), '{}') FROM freed f) AS queues,
       (SELECT coalesce(jsonb_object_agg(t.queue, t.jobs), '{}')
        FROM (SELECT queue, count(*) AS jobs FROM ended WHERE next_status = 'failed' GROUP BY queue) t) AS finished,
       (SELECT coalesce(jsonb_object_agg(w.lane_id, w.jobs), '{}')
        FROM (SELECT lane_id, count(*) AS jobs FROM ended WHERE next_status = 'queued' AND NOT paused GROUP BY lane_id) w) AS lanes;
