-- Generated from src/dispatch/heartbeat.repository.ts by `npm run docs`.

-- ExtendLeases
WITH held AS MATERIALIZED (
  SELECT i.*, l.*
  FROM (SELECT i.*
        FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::bigint[]), (SELECT $4::boolean[]), (SELECT $5::real[]), (SELECT $6::real[]), (SELECT $7::real[]), (SELECT $8::real[]), (SELECT $13::int[]))
          WITH ORDINALITY AS i(node_id, job_id, lease_token, started, progress, fps, speed, duration_seconds, limit_seconds, ordinal)
        ORDER BY i.lease_token) i
  CROSS JOIN LATERAL (
    SELECT l.revoked, l.canceled, l.paused_at IS NOT NULL AS paused, l.clock_from IS NULL AS not_begun
    FROM ffmpeg_master.leases l
    WHERE l.lease_token = i.lease_token AND CASE WHEN l.job_id = i.job_id THEN l.node_id = i.node_id END
    LIMIT 1 FOR UPDATE
  ) l
),
extended AS (
  UPDATE ffmpeg_master.leases l
  SET expires_at = clock_timestamp() + coalesce(l.lease_ms, $9::float8) * interval '1 millisecond',
      progressed_at = CASE WHEN h.progress > l.progress THEN now() ELSE l.progressed_at END,
      progress = greatest(h.progress, l.progress),
      fps = coalesce(h.fps, l.fps), speed = coalesce(h.speed, l.speed),
      media_seconds = coalesce(h.duration_seconds, l.media_seconds),
      timeout_seconds = coalesce(l.timeout_seconds, h.limit_seconds)
  FROM held h WHERE l.lease_token = h.lease_token AND NOT h.revoked
),
seen AS MATERIALIZED (
  SELECT i.* FROM unnest((SELECT $10::uuid[]), (SELECT $11::real[]), (SELECT $12::bigint[])) AS i(node_id, cpu_load_percent, ram_free_bytes)
  CROSS JOIN LATERAL (
    SELECT FROM ffmpeg_master.node_presence p
    WHERE p.node_id = i.node_id AND (SELECT count(*) FROM held) >= 0
    LIMIT 1 FOR UPDATE SKIP LOCKED
  ) p
),
touched AS (
  UPDATE ffmpeg_master.node_presence p
  SET seen_at = clock_timestamp(),
      cpu_load_percent = coalesce(s.cpu_load_percent, p.cpu_load_percent),
      ram_free_bytes = coalesce(s.ram_free_bytes, p.ram_free_bytes)
  FROM seen s WHERE p.node_id = s.node_id
)
SELECT 'attempt' AS of, h.ordinal - 1 AS ordinal, NOT h.revoked AS extended, h.canceled,
       h.paused AND NOT h.revoked AS paused, h.started AND h.not_begun AND NOT h.revoked AS starting,
       NULL::boolean AS draining, NULL::boolean AS offline
FROM held h
UNION ALL
SELECT 'node', i.ordinal - 1, NULL, NULL, NULL, NULL, n.draining, n.status = 'offline'
FROM unnest((SELECT $10::uuid[])) WITH ORDINALITY AS i(node_id, ordinal)
CROSS JOIN LATERAL (
  SELECT n.draining, n.status FROM ffmpeg_master.nodes n WHERE n.id = i.node_id LIMIT 1
) n;

-- StartAttempts
WITH input AS MATERIALIZED (
  SELECT * FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::bigint[])) AS i(node_id, job_id, lease_token)
),
starting AS MATERIALIZED (
  SELECT j.id
  FROM (SELECT * FROM input ORDER BY job_id) i
  CROSS JOIN LATERAL (
    SELECT j.id FROM ffmpeg_master.jobs j
    WHERE j.id = i.job_id AND CASE WHEN j.lease_token = i.lease_token
                                   THEN j.node_id = i.node_id AND j.status = 'assigned' END
    LIMIT 1 FOR UPDATE
  ) j
),
begun AS (
  UPDATE ffmpeg_master.jobs j SET status = 'running', started_at = now(), event_count = j.event_count + 1,
                                  event_order = greatest(j.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l))
  FROM starting s WHERE j.id = s.id AND CASE WHEN j.status = 'assigned' THEN true END
  RETURNING j.*
),
event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token, tenant_id, queue, tags)
  SELECT (now() AT TIME ZONE 'UTC')::date, b.id, b.event_count, (b.event_order >> 48)::int, (b.event_order & 281474976710655)::text::xid8, 'started', 'assigned', 'running', b.attempt, b.node_id,
         b.lease_token, b.tenant_id, b.queue, b.tags
  FROM begun b
),
held AS MATERIALIZED (
  SELECT i.lease_token
  FROM (SELECT * FROM input WHERE (SELECT count(*) FROM starting) >= 0 ORDER BY lease_token) i
  CROSS JOIN LATERAL (
    SELECT FROM ffmpeg_master.leases l
    WHERE l.lease_token = i.lease_token AND CASE WHEN l.job_id = i.job_id THEN l.node_id = i.node_id END
    LIMIT 1 FOR UPDATE
  ) l
),
clock AS (
  UPDATE ffmpeg_master.leases l
  SET clock_from = coalesce(l.clock_from, now()), progressed_at = coalesce(l.progressed_at, now())
  FROM held h WHERE l.lease_token = h.lease_token
)
SELECT b.id FROM begun b;
