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
     tags, lane_id, position, run_at, due_at, max_retries, timeout_seconds, status, event_count, event_order)
  SELECT a.id, a.tenant_id, a.scenario, a.parameters, a.queue, a.priority, a.requirements, a.engine,
         a.classification, a.confidence, a.tags, a.lane_id,
         least(9007199254740991, greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (extract(epoch FROM a.run_at) * 1000000)::bigint)),
         a.run_at, CASE WHEN a.run_at > now() THEN a.run_at END, a.max_retries, a.timeout_seconds,
         'queued', 1, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l)
  FROM accepted a ORDER BY a.request, a.ordinal
  ON CONFLICT (id) DO NOTHING
  RETURNING id, sequence_number, created_at, due_at, tenant_id, queue, tags, event_order
),
submitted_event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, xid, type, from_status, to_status, attempt, tenant_id, queue, tags, actor)
  SELECT (now() AT TIME ZONE 'UTC')::date, c.id, 1, (c.event_order >> 48)::int, (c.event_order & 281474976710655)::text::xid8, 'submitted', NULL, 'queued', 0,
         c.tenant_id, c.queue, c.tags, a.actor
  FROM created c JOIN accepted a ON a.id = c.id
  RETURNING job_id
)
SELECT c.id, c.sequence_number, c.created_at, c.due_at FROM created c;

-- HandOverJob
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
offered AS MATERIALIZED (
  SELECT o.*, a.queue, a.run_at FROM json_to_recordset($3::json) AS o(ordinal int, id uuid, node_id uuid, claim_id uuid)
  JOIN accepted a ON a.id = o.id
),
waiting AS MATERIALIZED (
  SELECT j.id FROM ffmpeg_master.jobs j WHERE j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
  ORDER BY j.lane_id, j.position, j.sequence_number LIMIT 1
),

node AS MATERIALIZED (
 SELECT c.node_id, c.recent_claim_ids, n.name, n.slots - c.running AS room,
        n.status = 'online' AND NOT n.draining AND (SELECT coalesce(l.timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8)
           AND l.relation_oid = 'ffmpeg_master.leadership'::regclass, true) FROM ffmpeg_master.leadership l) AS able
 FROM (SELECT DISTINCT s.node_id FROM offered s WHERE NOT EXISTS (SELECT FROM waiting) ORDER BY s.node_id) s
 CROSS JOIN LATERAL (
   SELECT c.node_id, c.running, c.recent_claim_ids FROM ffmpeg_master.node_counters c
   WHERE c.node_id = s.node_id FOR UPDATE
 ) c
 CROSS JOIN LATERAL (
   SELECT n.name, n.slots, n.status, n.draining FROM ffmpeg_master.nodes n WHERE n.id = c.node_id LIMIT 1
 ) n
),
fitting AS (
  SELECT o.*, n.name AS node_name, n.able, row_number() OVER (PARTITION BY o.node_id ORDER BY o.ordinal) <= n.room AS fits
  FROM offered o
  JOIN node n ON n.node_id = o.node_id AND NOT o.claim_id = ANY (n.recent_claim_ids)
  LEFT JOIN LATERAL (
    SELECT true AS found FROM ffmpeg_master.leases l
    WHERE l.node_id = o.node_id AND l.claim_id = o.claim_id LIMIT 1
  ) l ON true
  WHERE l.found IS NULL
),
given AS MATERIALIZED (
  SELECT f.*, nextval('ffmpeg_master.lease_tokens') AS lease_token
  FROM fitting f
  JOIN ffmpeg_master.queues q ON q.name = f.queue AND NOT q.paused
  WHERE f.able AND f.fits AND f.run_at IS NULL
    AND NOT EXISTS (SELECT FROM ffmpeg_master.queue_counters c WHERE c.queue = f.queue)
),
created AS (
  INSERT INTO ffmpeg_master.jobs
    (id, tenant_id, scenario, parameters, queue, priority, requirements, engine, classification, confidence,
     tags, lane_id, position, run_at, due_at, max_retries, timeout_seconds, status, event_count, event_order, node_id, node_name, claim_id, lease_token, attempt, assigned_at)
  SELECT a.id, a.tenant_id, a.scenario, a.parameters, a.queue, a.priority, a.requirements, a.engine,
         a.classification, a.confidence, a.tags, a.lane_id,
         least(9007199254740991, greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (extract(epoch FROM a.run_at) * 1000000)::bigint)),
         a.run_at, CASE WHEN a.run_at > now() THEN a.run_at END, a.max_retries, a.timeout_seconds,
         CASE WHEN g.id IS NULL THEN 'queued' ELSE 'assigned' END, 1 + (g.id IS NOT NULL)::int, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l), g.node_id, g.node_name, g.claim_id, g.lease_token, (g.id IS NOT NULL)::int, CASE WHEN g.id IS NOT NULL THEN now() END
  FROM accepted a LEFT JOIN given g ON g.id = a.id ORDER BY a.request, a.ordinal
  ON CONFLICT (id) DO NOTHING
  RETURNING id, sequence_number, created_at, due_at, tenant_id, queue, tags, event_order, status, node_id, node_name, claim_id, lease_token, attempt, assigned_at, event_count, parameters, timeout_seconds, position
),
handed AS (
  SELECT c.* FROM created c WHERE c.lease_token IS NOT NULL
),
submitted_event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, xid, type, from_status, to_status, attempt, tenant_id, queue, tags, actor)
  SELECT (now() AT TIME ZONE 'UTC')::date, c.id, 1, (c.event_order >> 48)::int, (c.event_order & 281474976710655)::text::xid8, 'submitted', NULL, 'queued', 0,
         c.tenant_id, c.queue, c.tags, a.actor
  FROM created c JOIN accepted a ON a.id = c.id
  RETURNING job_id
),

leased AS (
 INSERT INTO ffmpeg_master.leases
   (lease_token, job_id, node_id, claim_id, queue, timeout_seconds, media_seconds, assigned_at, lease_ms, expires_at)
 SELECT t.lease_token, t.id, t.node_id, t.claim_id, t.queue, t.timeout_seconds,
        coalesce(t.parameters ->> 'duration_seconds', t.parameters ->> 'duration')::real, now(), NULL::int,
        clock_timestamp() + coalesce(NULL::int, $4::float8) * interval '1 millisecond'
 FROM handed t
),
counted_node AS (
 UPDATE ffmpeg_master.node_counters c
 SET running = c.running + t.taken,
     recent_claim_ids = (t.claim_ids || c.recent_claim_ids)[1:8]
 FROM (
   SELECT t.node_id, sum(t.taken)::int AS taken, array_agg(t.claim_id) AS claim_ids
   FROM (SELECT node_id, claim_id, count(*) AS taken FROM handed GROUP BY node_id, claim_id) t
   GROUP BY t.node_id
 ) t
 WHERE c.node_id = t.node_id
),
assigned_event AS (
 INSERT INTO ffmpeg_master.job_events
   (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token, tenant_id, queue, tags)
 SELECT (now() AT TIME ZONE 'UTC')::date, t.id, t.event_count, (t.event_order >> 48)::int, (t.event_order & 281474976710655)::text::xid8, 'assigned', 'queued',
        'assigned', t.attempt, t.node_id, t.lease_token, t.tenant_id, t.queue, t.tags
 FROM handed t WHERE (SELECT count(*) FROM submitted_event) >= 0
)
SELECT c.id, c.sequence_number, c.created_at, c.due_at, c.status, c.node_id, c.node_name, c.attempt, c.assigned_at,
       c.lease_token, c.position
FROM created c;

-- FindIdempotencyKeys
SELECT f.*
FROM json_to_recordset($1::json) AS r(tenant_id text, route text, key text)
CROSS JOIN LATERAL (
  SELECT k.tenant_id, k.route, k.key, encode(k.body_hash, 'hex') AS body_hash, k.job_ids
  FROM ffmpeg_master.idempotency_keys k
  WHERE k.tenant_id = r.tenant_id AND k.route = r.route AND k.key = r.key LIMIT 1
) f;
