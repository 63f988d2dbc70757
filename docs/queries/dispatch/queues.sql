-- Generated from src/dispatch/queues.repository.ts by `npm run docs`.

-- ListQueueSettings
SELECT q.name, q.rank, q.aging_step_us, q.max_running, q.paused,
       coalesce(c.running >= q.max_running, false) AS at_limit
FROM ffmpeg_master.queues q LEFT JOIN ffmpeg_master.queue_counters c ON c.queue = q.name
ORDER BY q.name;

-- PauseQueue
UPDATE ffmpeg_master.queues q SET paused = $2 WHERE q.name = $1 RETURNING q.name;
