-- Generated from src/nodes/nodes.repository.ts by `npm run docs`.

-- GetNode
SELECT n.id, n.tenant_id, n.name, n.given_name, n.address, n.instance_id, n.slots, n.queues,
n.cpu_threads, n.cpu_model, n.ram_total_bytes, n.gpus, n.encoders, n.engines, n.ffmpeg_version, n.labels,
n.status, n.draining, n.registered_at, c.running, p.seen_at, p.cpu_load_percent, p.ram_free_bytes
FROM ffmpeg_master.nodes n
JOIN ffmpeg_master.node_counters c ON c.node_id = n.id
JOIN ffmpeg_master.node_presence p ON p.node_id = n.id WHERE n.id = $1 AND n.tenant_id = $2;

-- ListNodes
SELECT n.id, n.tenant_id, n.name, n.given_name, n.address, n.instance_id, n.slots, n.queues,
n.cpu_threads, n.cpu_model, n.ram_total_bytes, n.gpus, n.encoders, n.engines, n.ffmpeg_version, n.labels,
n.status, n.draining, n.registered_at, c.running, p.seen_at, p.cpu_load_percent, p.ram_free_bytes
FROM ffmpeg_master.nodes n
JOIN ffmpeg_master.node_counters c ON c.node_id = n.id
JOIN ffmpeg_master.node_presence p ON p.node_id = n.id
WHERE n.tenant_id = $1 AND n.id > $2
  AND ($3::text IS NULL
       OR $3 = CASE WHEN n.status = 'offline' THEN 'offline' WHEN n.draining THEN 'draining' ELSE 'online' END)
ORDER BY n.id LIMIT $4;

-- LoadNodes
SELECT n.id, n.tenant_id, n.name, n.given_name, n.address, n.instance_id, n.slots, n.queues,
n.cpu_threads, n.cpu_model, n.ram_total_bytes, n.gpus, n.encoders, n.engines, n.ffmpeg_version, n.labels,
n.status, n.draining, n.registered_at, n.xmin::text AS version FROM ffmpeg_master.nodes n WHERE n.id = ANY($1::uuid[]);

-- ListNodeVersions
SELECT n.id, n.xmin::text AS version FROM ffmpeg_master.nodes n;

-- DigestNodes
SELECT hash_array_extended(ARRAY(SELECT n.xmin FROM ffmpeg_master.nodes n), 0)::text AS digest;

-- SetNodeDraining
UPDATE ffmpeg_master.nodes SET draining = $3 WHERE id = $1 AND tenant_id = $2 RETURNING id;

-- RemoveNode
WITH locked AS MATERIALIZED (
  SELECT n.id, c.running
  FROM ffmpeg_master.nodes n JOIN ffmpeg_master.node_counters c ON c.node_id = n.id
  WHERE n.id = $1 AND n.tenant_id = $2
  FOR UPDATE OF n, c
), idle AS (
  SELECT id FROM locked WHERE running = 0
), removed AS (
  DELETE FROM ffmpeg_master.nodes n USING idle i WHERE n.id = i.id
), removed_counter AS (
  DELETE FROM ffmpeg_master.node_counters c USING idle i WHERE c.node_id = i.id
), removed_presence AS (
  DELETE FROM ffmpeg_master.node_presence p USING idle i WHERE p.node_id = i.id
)
SELECT running FROM locked;

-- ReviveNodes
WITH locked AS MATERIALIZED (
  SELECT id FROM ffmpeg_master.nodes WHERE id = ANY($1::uuid[]) AND status = 'offline'
  ORDER BY id FOR UPDATE
)
UPDATE ffmpeg_master.nodes n SET status = 'online' FROM locked l WHERE n.id = l.id RETURNING n.id;
