-- Generated from src/jobs/transitions.repository.ts by `npm run docs`.

-- LockJob
SELECT j.id FROM ffmpeg_master.jobs j WHERE j.id = $1 AND j.tenant_id = $2 FOR UPDATE;

-- CancelJob
WITH ended AS MATERIALIZED (
  SELECT j.*, 'canceled' AS next_status, NULL::timestamptz AS next_due_at, j.failures AS next_failures,
         j.releases AS next_releases, j.retry_count AS next_retry_count, j.error AS next_error,
         j.failure_reason AS next_failure_reason, j.reported_token AS next_reported_token,
         j.reported_as AS next_reported_as, coalesce(l.progress, 0) AS next_progress, NULL::jsonb AS next_result,
         false AS timed_out, 'canceled' AS event_type, $3::text AS event_actor
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = $1 AND j.tenant_id = $2 FOR UPDATE OF j
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
  UPDATE ffmpeg_master.leases l SET revoked = true, canceled = true
  FROM ended e WHERE l.lease_token = e.lease_token
)
SELECT e.id, e.lane_id, false AS waiting FROM ended e JOIN deleted_job d ON d.id = e.id;

-- PauseJob
WITH changed AS (
  UPDATE ffmpeg_master.jobs j SET paused = true, event_count = j.event_count + 1, event_order = greatest(j.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l))
  WHERE j.id = $1 AND j.tenant_id = $2 AND NOT j.paused
  RETURNING j.*
),
clock AS (
  UPDATE ffmpeg_master.leases l SET paused_at = now()
  FROM changed c WHERE l.lease_token = c.lease_token AND l.paused_at IS NULL
),

event AS (
 INSERT INTO ffmpeg_master.job_events
   (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token,
    tenant_id, queue, tags, actor)
 SELECT (now() AT TIME ZONE 'UTC')::date, c.id, c.event_count, (c.event_order >> 48)::int, (c.event_order & 281474976710655)::text::xid8, 'paused', c.status, c.status, c.attempt, c.node_id,
        c.lease_token, c.tenant_id, c.queue, c.tags, $3
 FROM changed c
)
SELECT c.id, c.lane_id, false AS waiting FROM changed c;

-- ResumeJob
WITH changed AS (
  UPDATE ffmpeg_master.jobs j SET paused = false, event_count = j.event_count + 1, event_order = greatest(j.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l))
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

event AS (
 INSERT INTO ffmpeg_master.job_events
   (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token,
    tenant_id, queue, tags, actor)
 SELECT (now() AT TIME ZONE 'UTC')::date, c.id, c.event_count, (c.event_order >> 48)::int, (c.event_order & 281474976710655)::text::xid8, 'resumed', c.status, c.status, c.attempt, c.node_id,
        c.lease_token, c.tenant_id, c.queue, c.tags, $3
 FROM changed c
)
SELECT c.id, c.lane_id, c.status = 'queued' AND c.due_at IS NULL AS waiting FROM changed c;

-- RetryJob (planned with its values each time)
WITH gone AS MATERIALIZED (
  SELECT h.* FROM ffmpeg_master.job_history h
  WHERE h.archived_on = $4 AND h.id = $1 AND h.tenant_id = $2 AND h.status IN ('failed', 'canceled')
  FOR UPDATE
),
deleted AS (
  DELETE FROM ffmpeg_master.job_history h USING gone g WHERE h.archived_on = $4 AND h.id = g.id RETURNING h.id
),
back AS (
  INSERT INTO ffmpeg_master.jobs (id, sequence_number, tenant_id, scenario, parameters, queue, priority, requirements, engine, classification, confidence, tags, status, paused, lane_id, position, run_at, due_at, max_retries, timeout_seconds, attempt, failures, releases, retry_count, node_id, node_name, claim_id, lease_token, reported_token, reported_as, event_count, event_order, created_at, assigned_at, started_at, error, failure_reason)
  SELECT g.id, g.sequence_number, g.tenant_id, g.scenario, g.parameters, g.queue, g.priority, g.requirements, g.engine, g.classification, g.confidence, g.tags, 'queued' AS status, false AS paused, g.lane_id, g.position, g.run_at AS run_at, CASE WHEN g.run_at > now() THEN g.run_at END AS due_at, g.max_retries, g.timeout_seconds, g.attempt, 0 AS failures, 0 AS releases, g.retry_count + 1 AS retry_count, NULL::uuid AS node_id, NULL::text AS node_name, NULL::uuid AS claim_id, NULL::bigint AS lease_token, g.reported_token, g.reported_as, g.event_count + 1 AS event_count, greatest(g.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l)) AS event_order, g.created_at, NULL::timestamptz AS assigned_at, NULL::timestamptz AS started_at, NULL::text AS error, NULL::text AS failure_reason
  FROM gone g JOIN deleted d ON d.id = g.id
  ON CONFLICT (id) DO NOTHING
  RETURNING *
),
event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, xid, type, from_status, to_status, attempt, tenant_id, queue, tags, actor)
  SELECT (now() AT TIME ZONE 'UTC')::date, b.id, b.event_count, (b.event_order >> 48)::int, (b.event_order & 281474976710655)::text::xid8, 'retried', g.status, 'queued', b.attempt, b.tenant_id,
         b.queue, b.tags, $3
  FROM back b JOIN gone g ON g.id = b.id
)
SELECT b.id, b.lane_id, b.due_at IS NULL AS waiting FROM back b;
