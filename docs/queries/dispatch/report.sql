-- Generated from src/dispatch/report.repository.ts by `npm run docs`.

-- ReportAttempts
WITH input AS MATERIALIZED (
  SELECT generate_series(1, (SELECT $11::int)) AS ordinal, unnest($1::uuid[]) AS node_id, unnest($2::uuid[]) AS job_id,
         unnest($3::bigint[]) AS lease_token, unnest($4::text[]) AS status, unnest($5::jsonb[]) AS result,
         unnest($6::text[]) AS error, unnest($7::text[]) AS failure_reason, unnest($8::boolean[]) AS permanent,
         unnest($9::float8[]) AS jitter, unnest($10::text[]) AS actor
),
item AS MATERIALIZED (
  SELECT DISTINCT ON (i.job_id, i.lease_token, i.node_id) i.* FROM input i
  ORDER BY i.job_id, i.lease_token, i.node_id, i.ordinal
),
found AS MATERIALIZED (
  SELECT j.*, i.ordinal, i.status AS reported, i.result AS sent_result, i.error AS sent_error,
         i.failure_reason AS sent_reason, i.permanent, i.jitter, i.actor
  FROM (SELECT * FROM item ORDER BY job_id) i
  CROSS JOIN LATERAL (
    SELECT j.id, j.status, j.lane_id, j.paused, j.max_retries, j.failures, j.releases, j.retry_count,
           j.attempt, j.node_id, j.lease_token, j.tenant_id, j.queue, j.tags, j.event_count, j.event_order
    FROM ffmpeg_master.jobs j
    WHERE j.id = i.job_id AND j.lease_token = i.lease_token AND j.node_id = i.node_id
      AND CASE WHEN j.status IN ('assigned', 'running') THEN true END
    FOR UPDATE
  ) j
),
held AS MATERIALIZED (
  SELECT l.lease_token, l.queue, l.node_id, l.progress, l.revoked, i.ordinal
  FROM (SELECT * FROM item WHERE (SELECT count(*) FROM found) >= 0 ORDER BY lease_token) i
  CROSS JOIN LATERAL (
    SELECT l.* FROM ffmpeg_master.leases l
    WHERE l.lease_token = i.lease_token AND CASE WHEN l.job_id = i.job_id THEN l.node_id = i.node_id END
    LIMIT 1 FOR UPDATE
  ) l
),
lease AS MATERIALIZED (
  SELECT h.* FROM held h WHERE h.revoked OR h.lease_token IN (SELECT f.lease_token FROM found f)
),
judged AS (
  SELECT f.*,
         CASE WHEN f.reported IN ('completed', 'canceled') THEN f.reported
              WHEN f.reported = 'released' AND f.releases < 20 THEN 'queued'
              WHEN f.permanent OR f.failures >= f.max_retries THEN 'failed'
              ELSE 'retrying' END AS next_status,
         coalesce(l.progress, 0) AS next_progress
  FROM found f LEFT JOIN lease l ON l.lease_token = f.lease_token
),
ended AS MATERIALIZED (
  SELECT g.*,
         CASE WHEN g.next_status = 'retrying'
              THEN now() + ($12::float8[])[least(g.failures + 1, cardinality($12::float8[]))] * g.jitter
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
  DELETE FROM ffmpeg_master.leases l WHERE l.lease_token = ANY (ARRAY(SELECT k.lease_token FROM lease k))
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
SELECT i.ordinal, e.id IS NOT NULL AS accepted, k.queue, e.lane_id,
       CASE WHEN e.next_status NOT IN ('queued', 'retrying') THEN e.queue END AS finished,
       coalesce(e.next_status = 'queued' AND NOT e.paused, false) AS waiting, e.next_due_at AS due_at
FROM input i
LEFT JOIN ended e ON e.ordinal = i.ordinal
LEFT JOIN lease k ON k.ordinal = i.ordinal;

-- TakeBackAttempts
WITH input AS MATERIALIZED (
  SELECT generate_series(1, (SELECT $11::int)) AS ordinal, unnest($1::uuid[]) AS node_id, unnest($2::uuid[]) AS job_id,
         unnest($3::bigint[]) AS lease_token, unnest($4::text[]) AS status, unnest($5::jsonb[]) AS result,
         unnest($6::text[]) AS error, unnest($7::text[]) AS failure_reason, unnest($8::boolean[]) AS permanent,
         unnest($9::float8[]) AS jitter, unnest($10::text[]) AS actor
),
item AS MATERIALIZED (
  SELECT DISTINCT ON (i.job_id, i.lease_token, i.node_id) i.* FROM input i
  ORDER BY i.job_id, i.lease_token, i.node_id, i.ordinal
),
found AS MATERIALIZED (
  SELECT j.*, i.ordinal, i.status AS reported, i.result AS sent_result, i.error AS sent_error,
         i.failure_reason AS sent_reason, i.permanent, i.jitter, i.actor
  FROM (SELECT * FROM item ORDER BY job_id) i
  CROSS JOIN LATERAL (
    SELECT j.id, j.status, j.lane_id, j.paused, j.max_retries, j.failures, j.releases, j.retry_count,
           j.attempt, j.node_id, j.lease_token, j.tenant_id, j.queue, j.tags, j.event_count, j.event_order, j.assigned_at
    FROM ffmpeg_master.jobs j
    WHERE j.id = i.job_id AND j.lease_token = i.lease_token AND j.node_id = i.node_id
      AND CASE WHEN j.status IN ('assigned', 'running') THEN true END
    FOR UPDATE
  ) j
),
held AS MATERIALIZED (
  SELECT l.lease_token, l.queue, l.node_id, l.progress, l.revoked, l.assigned_at, i.ordinal
  FROM (SELECT * FROM item WHERE (SELECT count(*) FROM found) >= 0 ORDER BY lease_token) i
  CROSS JOIN LATERAL (
    SELECT l.* FROM ffmpeg_master.leases l
    WHERE l.lease_token = i.lease_token AND CASE WHEN l.job_id = i.job_id THEN l.node_id = i.node_id END
    LIMIT 1 FOR UPDATE
  ) l
),
lease AS MATERIALIZED (
  SELECT h.* FROM held h WHERE NOT h.revoked AND EXISTS (
    SELECT FROM found f
    WHERE f.lease_token = h.lease_token AND f.status = 'assigned' AND f.assigned_at = h.assigned_at)
),
judged AS (
  SELECT f.*,
         CASE WHEN f.reported IN ('completed', 'canceled') THEN f.reported
              WHEN f.reported = 'released' AND f.releases < 20 THEN 'queued'
              WHEN f.permanent OR f.failures >= f.max_retries THEN 'failed'
              ELSE 'retrying' END AS next_status,
         coalesce(l.progress, 0) AS next_progress
  FROM found f JOIN lease l ON l.lease_token = f.lease_token
),
ended AS MATERIALIZED (
  SELECT g.*,
         CASE WHEN g.next_status = 'retrying'
              THEN now() + ($12::float8[])[least(g.failures + 1, cardinality($12::float8[]))] * g.jitter
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
  DELETE FROM ffmpeg_master.leases l WHERE l.lease_token = ANY (ARRAY(SELECT k.lease_token FROM lease k))
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
SELECT i.ordinal, e.id IS NOT NULL AS accepted, k.queue, e.lane_id,
       CASE WHEN e.next_status NOT IN ('queued', 'retrying') THEN e.queue END AS finished,
       coalesce(e.next_status = 'queued' AND NOT e.paused, false) AS waiting, e.next_due_at AS due_at
FROM input i
LEFT JOIN ended e ON e.ordinal = i.ordinal
LEFT JOIN lease k ON k.ordinal = i.ordinal;

-- FindReportedJobs
SELECT j.id, j.reported_token, j.reported_as FROM ffmpeg_master.jobs j WHERE j.id = ANY($1::uuid[]);
