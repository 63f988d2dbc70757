-- Generated from src/dispatch/queues.repository.ts by `npm run docs`.

-- ListQueueSettings
SELECT q.name, q.rank, q.aging_step_us, q.max_running, q.paused,
       coalesce(c.running >= q.max_running, false) AS at_limit
FROM ffmpeg_master.queues q LEFT JOIN ffmpeg_master.queue_counters c ON c.queue = q.name
ORDER BY q.name;

-- PauseQueue
UPDATE ffmpeg_master.queues q SET paused = $2 WHERE q.name = $1 RETURNING q.name;

-- ReadQueueFigures
SELECT q.name, coalesce(w.waiting, 0)::int AS waiting, w.head, coalesce(r.running, 0)::int AS running,
       coalesce(m.submitted, 0)::int AS submitted_per_minute, coalesce(m.finished, 0)::int AS finished_per_minute,
       (extract(epoch FROM now()) * 1000000)::bigint AS database_now
FROM ffmpeg_master.queues q
LEFT JOIN LATERAL (
  SELECT sum(c.waiting) AS waiting, min(c.head) AS head
  FROM ffmpeg_master.lanes l
  CROSS JOIN LATERAL (
    SELECT count(*) AS waiting, min(j.position) AS head
    FROM (SELECT j.position FROM ffmpeg_master.jobs j
          WHERE j.lane_id = l.id AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
          ORDER BY j.position, j.sequence_number LIMIT 10000) j
  ) c
  WHERE l.queue = q.name AND l.tenant_id = $1
) w ON true
LEFT JOIN (SELECT e.queue, count(*) AS running FROM ffmpeg_master.leases e GROUP BY e.queue) r ON r.queue = q.name
LEFT JOIN (
  SELECT s.queue, sum(s.submitted_per_minute) AS submitted, sum(s.finished_per_minute) AS finished
  FROM ffmpeg_master.queue_rates s WHERE s.written_at > now() - interval '15 seconds' GROUP BY s.queue
) m ON m.queue = q.name
ORDER BY q.name;
