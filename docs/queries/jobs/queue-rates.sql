-- Generated from src/jobs/queue-rates.repository.ts by `npm run docs`.

-- WriteQueueRates
WITH rate AS MATERIALIZED (
  SELECT * FROM json_to_recordset($2::json)
    AS r(queue text, submitted_per_minute int, finished_per_minute int)
),
silent AS (
  DELETE FROM ffmpeg_master.queue_rates q
  WHERE q.master_id = $1 AND NOT EXISTS (SELECT FROM rate r WHERE r.queue = q.queue)
)
INSERT INTO ffmpeg_master.queue_rates (master_id, queue, submitted_per_minute, finished_per_minute, written_at)
SELECT $1, r.queue, r.submitted_per_minute, r.finished_per_minute, now() FROM rate r
ON CONFLICT (master_id, queue) DO UPDATE
SET submitted_per_minute = EXCLUDED.submitted_per_minute, finished_per_minute = EXCLUDED.finished_per_minute,
    written_at = EXCLUDED.written_at;
