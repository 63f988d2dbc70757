-- Generated from src/api/events/job-event-follower.repository.ts by `npm run docs`.

-- ReadFollowedJobs (planned with its values each time)
SELECT e.*
FROM unnest($1::uuid[], $2::int[]) AS followed (job_id, after)
CROSS JOIN LATERAL (
  SELECT e.job_id, e.n, e.type, e.from_status, e.to_status, e.at, e.attempt, e.node_id, e.lease_token, e.data
  FROM ffmpeg_master.job_events e
  WHERE e.day = ANY($3::date[]) AND e.job_id = followed.job_id AND e.n > followed.after
  ORDER BY e.n LIMIT $4
) e
ORDER BY e.job_id, e.n;
