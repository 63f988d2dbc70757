-- Generated from src/duties/cluster-figures.repository.ts by `npm run docs`.

-- ReadWaitingJobs
SELECT l.queue, l.priority, sum(c.jobs)::int AS jobs,
       (extract(epoch FROM now()) - min(c.head) / 1000000.0)::float8 AS oldest_seconds
FROM ffmpeg_master.lanes l
CROSS JOIN LATERAL (
  SELECT count(*) AS jobs, min(w.position) AS head
  FROM (SELECT j.position FROM ffmpeg_master.jobs j
        WHERE j.lane_id = l.id AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
        ORDER BY j.position, j.sequence_number LIMIT 100000) w
) c
WHERE c.jobs > 0
GROUP BY l.queue, l.priority;

-- ReadClusterFigures
SELECT (SELECT coalesce(array_agg(q.name ORDER BY q.name), '{}') FROM ffmpeg_master.queues q) AS queues,
       (SELECT count(*) FROM ffmpeg_master.leases l)::int AS leases,
       (SELECT count(*) FROM ffmpeg_master.leases l WHERE NOT l.revoked)::int AS active,
       (SELECT count(*) FROM (SELECT FROM ffmpeg_master.jobs j WHERE j.due_at IS NOT NULL LIMIT 100000) d)::int
         AS due_later,
       n.offline, n.busy, n.available
FROM (
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
