-- Generated from src/duties/cluster-figures.repository.ts by `npm run docs`.

-- ReadWaitingJobs
SELECT g.queue, g.priority, g.lanes, w.waiting AS jobs,
       (extract(epoch FROM now()) - w.head / 1000000.0)::float8 AS oldest_seconds
FROM (SELECT l.queue, l.priority, array_agg(l.id) AS lanes FROM ffmpeg_master.lanes l GROUP BY l.queue, l.priority) g
CROSS JOIN LATERAL (
  SELECT counted.waiting, first.head
  FROM (SELECT count(*)::int AS waiting
        FROM (SELECT FROM unnest(g.lanes) w(lane)
              CROSS JOIN LATERAL (SELECT FROM ffmpeg_master.jobs j WHERE j.lane_id = w.lane AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
                                  ORDER BY j.position, j.sequence_number LIMIT 10001) j
              LIMIT 10001) c) counted
  CROSS JOIN (SELECT min(h.position) AS head
              FROM unnest(g.lanes) w(lane)
              CROSS JOIN LATERAL (SELECT j.position FROM ffmpeg_master.jobs j WHERE j.lane_id = w.lane AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
                                  ORDER BY j.position, j.sequence_number LIMIT 1) h) first
) w
WHERE w.waiting > 0;

-- EstimateWaitingJobs (planned with its values each time)
EXPLAIN (FORMAT JSON) SELECT FROM ffmpeg_master.jobs j WHERE j.lane_id = ANY($1::int[]) AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL;

-- EstimateJobsDueLater (planned with its values each time)
EXPLAIN (FORMAT JSON) SELECT FROM ffmpeg_master.jobs j WHERE j.due_at IS NOT NULL;

-- ReadClusterFigures
SELECT (SELECT coalesce(array_agg(q.name ORDER BY q.name), '{}') FROM ffmpeg_master.queues q) AS queues,
       l.leases, l.active,
       (SELECT count(*)
        FROM (SELECT FROM ffmpeg_master.jobs j WHERE j.due_at IS NOT NULL ORDER BY j.due_at LIMIT 10001) d)::int
         AS due_later,
       n.offline, n.busy, n.available
FROM (
  SELECT count(*)::int AS leases, count(*) FILTER (WHERE NOT l.revoked)::int AS active
  FROM ffmpeg_master.leases l
) l
CROSS JOIN (
  SELECT count(*) FILTER (WHERE n.status = 'offline')::int AS offline,
         count(*) FILTER (WHERE n.status = 'online' AND coalesce(c.running, 0) > 0)::int AS busy,
         count(*) FILTER (WHERE n.status = 'online' AND coalesce(c.running, 0) = 0)::int AS available
  FROM ffmpeg_master.nodes n LEFT JOIN ffmpeg_master.node_counters c ON c.node_id = n.id
) n;

-- OldestHeldBackEvent (planned with its values each time)
SELECT extract(epoch FROM clock_timestamp() - e.at)::float8 AS seconds
FROM ffmpeg_master.job_events e
WHERE e.day BETWEEN $1::date AND $2::date
  AND e.generation = (SELECT generation FROM ffmpeg_master.leadership)
  AND e.xid >= pg_snapshot_xmin(pg_current_snapshot())
ORDER BY e.generation, e.xid, e.id LIMIT 1;
