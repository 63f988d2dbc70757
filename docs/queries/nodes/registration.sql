-- Generated from src/nodes/registration.repository.ts by `npm run docs`.

-- LockNodeName
SELECT pg_advisory_xact_lock(hashtextextended('ffmpeg_master.node ' || $1::text || ' ' || $2::text, 0));

-- ListNamesakes
SELECT n.id, n.name, n.instance_id,
       n.status = 'offline' OR p.seen_at < now() - make_interval(secs => $3::float8 / 1000) AS silent
FROM ffmpeg_master.nodes n JOIN ffmpeg_master.node_presence p ON p.node_id = n.id
WHERE n.given_name = $2 AND n.tenant_id = $1
ORDER BY n.id;

-- RenewNode
WITH renewed AS (
  UPDATE ffmpeg_master.nodes SET (address, instance_id, slots, queues, cpu_threads, cpu_model, ram_total_bytes, gpus,
encoders, engines, ffmpeg_version, labels) = ($2::text, $3::uuid, $4::int, $5::text[], $6::int, $7::text, $8::bigint, $9::jsonb,
$10::text[], $11::text[], $12::text, $13::jsonb), status = 'online'
  WHERE id = $1::uuid RETURNING id
)
UPDATE ffmpeg_master.node_presence p
SET seen_at = clock_timestamp(), cpu_load_percent = NULL, ram_free_bytes = NULL
FROM renewed r WHERE p.node_id = r.id
RETURNING p.node_id AS id;

-- CreateNode
WITH created AS (
  INSERT INTO ffmpeg_master.nodes (id, address, instance_id, slots, queues, cpu_threads, cpu_model, ram_total_bytes, gpus,
encoders, engines, ffmpeg_version, labels, tenant_id, name, given_name)
  VALUES ($1::uuid, $2::text, $3::uuid, $4::int, $5::text[], $6::int, $7::text, $8::bigint, $9::jsonb,
$10::text[], $11::text[], $12::text, $13::jsonb, $14::text, $15::text, $16::text)
  ON CONFLICT (tenant_id, name) DO NOTHING
  RETURNING id
), counted AS (
  INSERT INTO ffmpeg_master.node_counters (node_id) SELECT id FROM created
)
INSERT INTO ffmpeg_master.node_presence (node_id, seen_at)
SELECT id, clock_timestamp() FROM created
RETURNING node_id AS id;
