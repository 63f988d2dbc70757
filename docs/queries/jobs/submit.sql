-- Generated from src/jobs/submit.repository.ts by `npm run docs`.

-- CreateJob
WITH request AS MATERIALIZED (
  SELECT * FROM json_to_recordset($2::json)
    AS r(request int, tenant_id text, route text, key text, body_hash text, job_ids uuid[])
),
won AS (
  INSERT INTO ffmpeg_master.idempotency_keys (tenant_id, route, key, body_hash, job_ids)
  SELECT r.tenant_id, r.route, r.key, decode(r.body_hash, 'hex'), r.job_ids
  FROM request r ORDER BY r.tenant_id, r.route, r.key
  ON CONFLICT DO NOTHING
  RETURNING tenant_id, route, key, job_ids
),
accepted AS MATERIALIZED (
  SELECT i.* FROM json_to_recordset($1::json)
    AS i(request int, ordinal int, id uuid, tenant_id text, scenario text, parameters jsonb, queue text,
         priority text, requirements jsonb, engine text, classification text, confidence text, tags text[],
         lane_id int, run_at timestamptz, max_retries int, timeout_seconds int, actor text)
  LEFT JOIN request r ON r.request = i.request
  WHERE r.request IS NULL OR r.job_ids IN (SELECT w.job_ids FROM won w)
),
created AS (
  INSERT INTO ffmpeg_master.jobs
    (id, tenant_id, scenario, parameters, queue, priority, requirements, engine, classification, confidence,
     tags, status, lane_id, position, run_at, due_at, max_retries, timeout_seconds, event_count)
  SELECT a.id, a.tenant_id, a.scenario, a.parameters, a.queue, a.priority, a.requirements, a.engine,
         a.classification, a.confidence, a.tags, 'queued', a.lane_id,
         greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (extract(epoch FROM a.run_at) * 1000000)::bigint),
         a.run_at, CASE WHEN a.run_at > now() THEN a.run_at END, a.max_retries, a.timeout_seconds, 1
  FROM accepted a ORDER BY a.request, a.ordinal
  ON CONFLICT (id) DO NOTHING
  RETURNING id, sequence_number, created_at, due_at, tenant_id, queue, tags
),
event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, type, from_status, to_status, attempt, tenant_id, queue, tags, actor)
  SELECT (now() AT TIME ZONE 'UTC')::date, c.id, 1, l.generation, 'submitted', NULL, 'queued', 0, c.tenant_id, c.queue, c.tags, a.actor
  FROM created c JOIN accepted a ON a.id = c.id CROSS JOIN ffmpeg_master.leadership l
)
SELECT id, sequence_number, created_at, due_at FROM created;

-- FindIdempotencyKeys
SELECT f.*
FROM json_to_recordset($1::json) AS r(tenant_id text, route text, key text)
CROSS JOIN LATERAL (
  SELECT k.tenant_id, k.route, k.key, encode(k.body_hash, 'hex') AS body_hash, k.job_ids
  FROM ffmpeg_master.idempotency_keys k
  WHERE k.tenant_id = r.tenant_id AND k.route = r.route AND k.key = r.key LIMIT 1
) f;
