-- Generated from src/jobs/job-events.repository.ts by `npm run docs`.

-- ListJobEvents (planned with its values each time)
SELECT e.job_id, e.n, e.type, e.from_status, e.to_status, e.at, e.attempt, e.node_id, e.lease_token, e.data
FROM ffmpeg_master.job_events e
WHERE e.day = ANY($1::date[]) AND e.job_id = $2 AND e.n > $3
ORDER BY e.n LIMIT $4;
