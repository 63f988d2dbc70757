-- Generated from src/duties/partitions-and-prune.repository.ts by `npm run docs`.

-- DropOldestPartition
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE)
SELECT (SELECT count(*) FROM fence)::int AS fenced,
       (SELECT ffmpeg_master.drop_oldest_partition($1, $2, $3, (now() AT TIME ZONE 'UTC')::date - $4::integer)
        FROM fence) AS dropped;

-- FindUnclosedDay
SELECT min(p.day) AS day
FROM (
  SELECT CASE WHEN c.relname ~ '^job_history_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END AS day
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = 'ffmpeg_master.job_history'::regclass
) p
WHERE p.day < ((now() - interval '10 minutes') AT TIME ZONE 'UTC')::date
  AND NOT EXISTS (SELECT FROM ffmpeg_master.history_days d WHERE d.day = p.day);

-- CloseDay (planned with its values each time)
WITH RECURSIVE fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE),
tenant AS (
  (SELECT j.tenant_id FROM ffmpeg_master.job_history j WHERE j.archived_on = $3::date ORDER BY j.tenant_id LIMIT 1)
  UNION ALL
  SELECT n.tenant_id FROM tenant t CROSS JOIN LATERAL (
    SELECT j.tenant_id FROM ffmpeg_master.job_history j
    WHERE j.archived_on = $3::date AND j.tenant_id > t.tenant_id ORDER BY j.tenant_id LIMIT 1
  ) n
),
closed AS (
  INSERT INTO ffmpeg_master.history_days (day, lowest, highest)
  SELECT $3::date, coalesce(min(h.lowest), 1), coalesce(max(h.highest), 0)
  FROM fence
  CROSS JOIN (
    SELECT min(l.sequence_number) AS lowest, max(u.sequence_number) AS highest
    FROM tenant t
    CROSS JOIN LATERAL (SELECT j.sequence_number FROM ffmpeg_master.job_history j
                        WHERE j.archived_on = $3::date AND j.tenant_id = t.tenant_id
                        ORDER BY j.sequence_number LIMIT 1) l
    CROSS JOIN LATERAL (SELECT j.sequence_number FROM ffmpeg_master.job_history j
                        WHERE j.archived_on = $3::date AND j.tenant_id = t.tenant_id
                        ORDER BY j.sequence_number DESC LIMIT 1) u
  ) h
  HAVING count(*) > 0
  ON CONFLICT (day) DO NOTHING
  RETURNING 1
)
SELECT (SELECT count(*) FROM fence)::int AS fenced, (SELECT count(*) FROM closed)::int AS rows;

-- PruneIdempotencyKeys
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE),
old AS MATERIALIZED (
  SELECT k.tenant_id, k.route, k.key FROM ffmpeg_master.idempotency_keys k CROSS JOIN fence
  WHERE k.created_at < now() - interval '24 hours'
  ORDER BY k.created_at LIMIT 500 FOR UPDATE OF k SKIP LOCKED
),
pruned AS (
  DELETE FROM ffmpeg_master.idempotency_keys k USING old o
  WHERE k.tenant_id = o.tenant_id AND k.route = o.route AND k.key = o.key
  RETURNING 1
)
SELECT (SELECT count(*) FROM fence)::int AS fenced, (SELECT count(*) FROM pruned)::int AS rows;

-- PruneMasters
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE),
gone AS MATERIALIZED (
  SELECT m.id FROM ffmpeg_master.masters m
  LEFT JOIN ffmpeg_master.master_presence p ON p.master_id = m.id
  CROSS JOIN fence
  WHERE coalesce(p.seen_at, m.started_at) < now() - interval '1 day'
  LIMIT 500 FOR UPDATE OF m SKIP LOCKED
),
absent AS (DELETE FROM ffmpeg_master.master_presence p USING gone g WHERE p.master_id = g.id),
silent AS (
  DELETE FROM ffmpeg_master.queue_rates q
  WHERE (q.master_id, q.queue) IN (
    SELECT r.master_id, r.queue FROM ffmpeg_master.queue_rates r CROSS JOIN fence
    WHERE r.written_at < now() - interval '1 day' LIMIT 500)
),
pruned AS (DELETE FROM ffmpeg_master.masters m USING gone g WHERE m.id = g.id RETURNING 1)
SELECT (SELECT count(*) FROM fence)::int AS fenced, (SELECT count(*) FROM pruned)::int AS rows;

-- PruneNodes
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE),
gone AS MATERIALIZED (
  SELECT n.id FROM ffmpeg_master.nodes n
  JOIN ffmpeg_master.node_presence p ON p.node_id = n.id
  CROSS JOIN fence
  WHERE n.status = 'offline' AND p.seen_at < now() - interval '7 days'
    AND NOT EXISTS (SELECT FROM ffmpeg_master.leases l WHERE l.node_id = n.id)
  LIMIT 500 FOR UPDATE OF n SKIP LOCKED
),
absent AS (DELETE FROM ffmpeg_master.node_presence p USING gone g WHERE p.node_id = g.id),
uncounted AS (DELETE FROM ffmpeg_master.node_counters c USING gone g WHERE c.node_id = g.id),
pruned AS (DELETE FROM ffmpeg_master.nodes n USING gone g WHERE n.id = g.id RETURNING n.id)
SELECT (SELECT count(*) FROM fence)::int AS fenced, (SELECT count(*) FROM pruned)::int AS rows,
       (SELECT coalesce(array_agg(p.id), '{}') FROM pruned p) AS nodes;
