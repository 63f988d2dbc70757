-- Generated from src/api/events/event-stream.repository.ts by `npm run docs`.

-- OpenEventStream
SELECT s.generation, s.horizon::text, s.today, pg_snapshot_xmax(pg_current_snapshot())::text AS next_xid,
       (SELECT to_date(min(right(c.relname, 8)), 'YYYYMMDD')
        FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'ffmpeg_master.job_events'::regclass) AS oldest_day
FROM (SELECT l.generation, pg_snapshot_xmin(pg_current_snapshot()) AS horizon,
    (now() AT TIME ZONE 'UTC')::date AS today
FROM ffmpeg_master.leadership l) s;

-- ReadEvents (planned with its values each time)
SELECT s.generation AS present_generation, s.horizon::text, s.today,
       (SELECT true FROM ffmpeg_master.job_events w
        WHERE w.day BETWEEN $1::date AND $2::date AND w.generation = $3 AND w.xid >= s.horizon
        LIMIT 1) AS held_back,
       e.*
FROM (SELECT l.generation, pg_snapshot_xmin(pg_current_snapshot()) AS horizon,
    (now() AT TIME ZONE 'UTC')::date AS today
FROM ffmpeg_master.leadership l) s
LEFT JOIN LATERAL (
  SELECT e.day, e.job_id, e.n, e.id, e.xid::text AS xid, e.at, e.type, e.from_status, e.to_status, e.attempt,
         e.node_id, e.lease_token, e.tenant_id, e.queue, e.tags, e.data
  FROM ffmpeg_master.job_events e
  WHERE e.day BETWEEN $1::date AND $2::date AND e.generation = $3
    AND (e.xid, e.id) > ($4::xid8, $5::bigint) AND e.xid < s.horizon
  ORDER BY e.generation, e.xid, e.id
  LIMIT $6
) e ON true
ORDER BY e.xid::xid8, e.id;
