-- Generated from src/jobs/job-logs.repository.ts by `npm run docs`.

-- AppendJobLogs
WITH input AS MATERIALIZED (
  SELECT * FROM json_to_recordset($1::json) AS i(ordinal int, job_id uuid, lease_token bigint, "offset" bigint, text text)
),
held AS MATERIALIZED (
  SELECT i.* FROM input i JOIN ffmpeg_master.leases l
    ON l.lease_token = i.lease_token AND l.job_id = i.job_id AND NOT l.revoked
),
written AS (
  INSERT INTO ffmpeg_master.job_logs (day, job_id, lease_token, start_offset, text)
  SELECT DISTINCT ON (h.job_id, h.lease_token, h."offset") (now() AT TIME ZONE 'UTC')::date, h.job_id, h.lease_token, h."offset", h.text
  FROM held h WHERE h."offset" + length(h.text) <= 4000000
  ORDER BY h.job_id, h.lease_token, h."offset"
  ON CONFLICT DO NOTHING
)
SELECT h.ordinal FROM held h;

-- ReadJobLogs (planned with its values each time)
SELECT DISTINCT ON (g.lease_token, g.start_offset) g.lease_token, g.start_offset, g.text
FROM ffmpeg_master.job_logs g
WHERE g.day = ANY($1::date[]) AND g.job_id = $2 AND (g.lease_token, g.start_offset) > ($3, $4)
ORDER BY g.lease_token, g.start_offset LIMIT $5;
