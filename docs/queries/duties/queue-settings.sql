-- Generated from src/duties/queue-settings.repository.ts by `npm run docs`.

-- WriteQueueSettings
WITH wanted AS MATERIALIZED (
  SELECT w.* FROM json_to_recordset($1::json)
    AS w(name text, rank double precision, aging_step_us bigint, max_running integer)
),
locked AS MATERIALIZED (SELECT q.name FROM ffmpeg_master.queues q ORDER BY q.name FOR UPDATE OF q),
changed AS (
  UPDATE ffmpeg_master.queues q
  SET rank = w.rank, aging_step_us = w.aging_step_us, max_running = w.max_running
  FROM locked k LEFT JOIN wanted w ON w.name = k.name
  WHERE q.name = k.name
    AND (q.rank, q.aging_step_us, q.max_running) IS DISTINCT FROM (w.rank, w.aging_step_us, w.max_running)
  RETURNING q.name
),
added AS (
  INSERT INTO ffmpeg_master.queues (name, rank, aging_step_us, max_running)
  SELECT w.name, w.rank, w.aging_step_us, w.max_running FROM wanted w
  WHERE w.name NOT IN (SELECT k.name FROM locked k)
  ORDER BY w.name
  ON CONFLICT (name) DO UPDATE
    SET rank = EXCLUDED.rank, aging_step_us = EXCLUDED.aging_step_us, max_running = EXCLUDED.max_running
  RETURNING name
)
SELECT name FROM changed UNION ALL SELECT name FROM added;

-- FindUncountedQueues
SELECT q.name FROM ffmpeg_master.queues q
FULL JOIN ffmpeg_master.queue_counters c ON c.queue = q.name
WHERE (q.max_running IS NULL) <> (c.queue IS NULL);

-- HoldLeases (planned with its values each time)
LOCK TABLE ffmpeg_master.leases IN SHARE ROW EXCLUSIVE MODE;

-- CountQueues
WITH unlimited AS (
  DELETE FROM ffmpeg_master.queue_counters c
  WHERE NOT EXISTS (SELECT FROM ffmpeg_master.queues q WHERE q.name = c.queue AND q.max_running IS NOT NULL)
)
INSERT INTO ffmpeg_master.queue_counters (queue, running)
SELECT q.name, (SELECT count(*) FROM ffmpeg_master.leases l WHERE l.queue = q.name)
FROM ffmpeg_master.queues q WHERE q.max_running IS NOT NULL
ORDER BY q.name
ON CONFLICT (queue) DO NOTHING;
