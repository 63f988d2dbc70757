-- Generated from src/dispatch/queue-figures.repository.ts by `npm run docs`.

-- ReadQueueFigures
SELECT q.name, w.waiting, w.head, coalesce(r.running, 0)::int AS running,
       coalesce(m.submitted, 0)::int AS submitted_per_minute, coalesce(m.finished, 0)::int AS finished_per_minute,
       (extract(epoch FROM now()) * 1000000)::bigint AS database_now
FROM ffmpeg_master.queues q
CROSS JOIN LATERAL (
  SELECT ARRAY(SELECT l.id FROM ffmpeg_master.lanes l WHERE l.tenant_id = $1 AND l.queue = q.name) AS ids
) lane
CROSS JOIN LATERAL (
  SELECT counted.waiting, first.head
  FROM (SELECT count(*)::int AS waiting
        FROM (SELECT FROM unnest(lane.ids) w(lane)
              CROSS JOIN LATERAL (SELECT FROM ffmpeg_master.jobs j WHERE j.lane_id = w.lane AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
                                  ORDER BY j.position, j.sequence_number LIMIT 10001) j
              LIMIT 10001) c) counted
  CROSS JOIN (SELECT min(h.position) AS head
              FROM unnest(lane.ids) w(lane)
              CROSS JOIN LATERAL (SELECT j.position FROM ffmpeg_master.jobs j WHERE j.lane_id = w.lane AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
                                  ORDER BY j.position, j.sequence_number LIMIT 1) h) first
) w
LEFT JOIN (SELECT e.queue, count(*) AS running FROM ffmpeg_master.leases e GROUP BY e.queue) r ON r.queue = q.name
LEFT JOIN (
  SELECT s.queue, sum(s.submitted_per_minute) AS submitted, sum(s.finished_per_minute) AS finished
  FROM ffmpeg_master.queue_rates s WHERE s.written_at > now() - interval '15 seconds' GROUP BY s.queue
) m ON m.queue = q.name
ORDER BY q.name;
