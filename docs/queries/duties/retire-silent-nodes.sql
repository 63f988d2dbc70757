-- Generated from src/duties/retire-silent-nodes.repository.ts by `npm run docs`.

-- RetireSilentNodes
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE),
calm AS MATERIALIZED (
 SELECT c.outage_ended_at FROM ffmpeg_master.cluster_presence c CROSS JOIN fence
 WHERE c.last_seen_at > now() - interval '5 seconds'
   AND (c.outage_ended_at IS NULL OR c.outage_ended_at + $3::float8 * interval '1 millisecond' < now())
),
silent AS MATERIALIZED (
  SELECT n.id FROM ffmpeg_master.nodes n
  JOIN ffmpeg_master.node_presence p ON p.node_id = n.id
  CROSS JOIN calm
  WHERE n.status = 'online' AND p.seen_at < now() - $4::float8 * interval '1 millisecond'
  LIMIT 500 FOR UPDATE OF n SKIP LOCKED
),
retired AS (
  UPDATE ffmpeg_master.nodes n SET status = 'offline' FROM silent s WHERE n.id = s.id
  RETURNING n.id
)
SELECT (SELECT count(*) FROM fence)::int AS fenced,
       (SELECT coalesce(array_agg(r.id), '{}') FROM retired r) AS nodes;
