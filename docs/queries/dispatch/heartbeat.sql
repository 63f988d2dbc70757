-- Generated from src/dispatch/heartbeat.repository.ts by `npm run docs`.

-- ExtendLeases
WITH input AS MATERIALIZED (
  SELECT i.node_id, i.job_id, i.lease_token, coalesce(bool_or(i.started), false) AS started,
         max(i.progress) AS progress, max(i.fps) AS fps, max(i.speed) AS speed,
         max(i.duration_seconds) AS duration_seconds
  FROM json_to_recordset($1::json) AS i(node_id uuid, job_id uuid, lease_token bigint, started boolean,
                                        progress real, fps real, speed real, duration_seconds real)
  GROUP BY i.node_id, i.job_id, i.lease_token
),
starting AS MATERIALIZED (
  SELECT j.id FROM ffmpeg_master.jobs j
  JOIN input i ON i.job_id = j.id AND i.lease_token = j.lease_token AND i.node_id = j.node_id
  WHERE i.started AND j.id = ANY($3::uuid[]) AND CASE WHEN j.status = 'assigned' THEN true END
  ORDER BY j.id FOR UPDATE OF j
),
started AS (
  UPDATE ffmpeg_master.jobs j SET status = 'running', started_at = now(), event_count = j.event_count + 1
  FROM starting s WHERE j.id = s.id AND CASE WHEN j.status = 'assigned' THEN true END
  RETURNING j.*
),
event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, type, from_status, to_status, attempt, node_id, lease_token, tenant_id, queue, tags)
  SELECT (now() AT TIME ZONE 'UTC')::date, s.id, s.event_count, l.generation, 'started', 'assigned', 'running', s.attempt, s.node_id,
         s.lease_token, s.tenant_id, s.queue, s.tags
  FROM started s CROSS JOIN ffmpeg_master.leadership l
),
held AS MATERIALIZED (
  SELECT i.*, l.revoked, l.canceled
  FROM ffmpeg_master.leases l
  JOIN input i ON i.lease_token = l.lease_token AND i.job_id = l.job_id AND i.node_id = l.node_id
  WHERE l.lease_token = ANY($4::bigint[]) AND (SELECT count(*) FROM starting) >= 0
  ORDER BY l.lease_token FOR UPDATE OF l
),
extended AS (
  UPDATE ffmpeg_master.leases l
  SET expires_at = clock_timestamp() + $2::float8 * interval '1 millisecond',
      clock_from = CASE WHEN h.started THEN coalesce(l.clock_from, now()) ELSE l.clock_from END,
      progressed_at = CASE WHEN l.progressed_at IS NULL AND h.started THEN now()
                           WHEN h.progress > l.progress THEN now() ELSE l.progressed_at END,
      progress = greatest(coalesce(h.progress, l.progress), l.progress),
      fps = coalesce(h.fps, l.fps), speed = coalesce(h.speed, l.speed),
      media_seconds = coalesce(h.duration_seconds, l.media_seconds)
  FROM held h
  WHERE l.lease_token = h.lease_token AND NOT h.revoked
  RETURNING l.lease_token
)
SELECT h.node_id, h.job_id, h.lease_token, x.lease_token IS NOT NULL AS extended, h.canceled,
       coalesce(j.paused, false) AS paused
FROM held h
LEFT JOIN extended x ON x.lease_token = h.lease_token
LEFT JOIN ffmpeg_master.jobs j ON j.id = h.job_id AND j.lease_token = h.lease_token;

-- TouchNodes
WITH input AS MATERIALIZED (
  SELECT DISTINCT ON (i.node_id) i.*
  FROM json_to_recordset($1::json) AS i(node_id uuid, cpu_load_percent real, ram_free_bytes bigint)
  ORDER BY i.node_id
),
locked AS MATERIALIZED (
  SELECT p.node_id FROM ffmpeg_master.node_presence p WHERE p.node_id = ANY($2::uuid[])
  ORDER BY p.node_id FOR UPDATE OF p
),
touched AS (
  UPDATE ffmpeg_master.node_presence p
  SET seen_at = clock_timestamp(),
      cpu_load_percent = coalesce(i.cpu_load_percent, p.cpu_load_percent),
      ram_free_bytes = coalesce(i.ram_free_bytes, p.ram_free_bytes)
  FROM locked k JOIN input i ON i.node_id = k.node_id
  WHERE p.node_id = k.node_id
)
SELECT n.id AS node_id, n.draining, n.status
FROM ffmpeg_master.nodes n WHERE n.id = ANY($2::uuid[]);
