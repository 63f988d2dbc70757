-- Generated from src/duties/ended-jobs.repository.ts by `npm run docs`.

-- CountEndedJobs (planned with its values each time)
SELECT h.status, h.engine, count(*)::int AS jobs, max(h.completed_at) AS last,
       sum(extract(epoch FROM h.completed_at - coalesce(h.started_at, h.assigned_at)))::float8 AS run_seconds,
       count(coalesce(h.started_at, h.assigned_at))::int AS ran,
       sum(extract(epoch FROM h.assigned_at - h.created_at))::float8 AS wait_seconds
FROM ffmpeg_master.job_history h
WHERE h.archived_on BETWEEN $1::date AND $2::date AND h.completed_at > $3::timestamptz AND h.completed_at <= $4::timestamptz
GROUP BY h.status, h.engine;

-- SettledUntil
SELECT now() - interval '10 seconds' AS until;
