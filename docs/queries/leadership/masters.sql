-- Generated from src/leadership/masters.repository.ts by `npm run docs`.

-- SeeMaster
WITH registered AS (
  INSERT INTO ffmpeg_master.masters (id, name, host, pid, url, version, started_at)
  SELECT $1::uuid, $2, $3, $4::integer, $5, $6, $7::timestamptz
  WHERE NOT EXISTS (SELECT FROM ffmpeg_master.masters WHERE id = $1::uuid)
  ON CONFLICT (id) DO NOTHING
), present AS (
  INSERT INTO ffmpeg_master.master_presence (master_id, seen_at, listener)
  VALUES ($1::uuid, clock_timestamp(), $8)
  ON CONFLICT (master_id) DO UPDATE SET seen_at = EXCLUDED.seen_at, listener = EXCLUDED.listener
)
UPDATE ffmpeg_master.cluster_presence
SET outage_ended_at = CASE WHEN clock_timestamp() - last_seen_at > interval '5 seconds' THEN clock_timestamp()
                           ELSE outage_ended_at END,
    last_seen_at = clock_timestamp();

-- ForgetMaster
WITH absent AS (DELETE FROM ffmpeg_master.master_presence WHERE master_id = $1)
DELETE FROM ffmpeg_master.masters WHERE id = $1;

-- ListMasters
SELECT m.id, m.name, m.host, m.pid, m.url, m.version, m.started_at, p.seen_at, p.listener,
       l.master_id IS NOT DISTINCT FROM m.id AND p.seen_at > clock_timestamp() - interval '5 seconds' AS leader
FROM ffmpeg_master.masters m
JOIN ffmpeg_master.master_presence p ON p.master_id = m.id
CROSS JOIN ffmpeg_master.leadership l
WHERE p.seen_at > clock_timestamp() - interval '1 minute'
ORDER BY m.name, m.started_at;

-- ReadEpoch
SELECT epoch FROM ffmpeg_master.leadership;
