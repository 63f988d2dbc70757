-- Generated from src/jobs/history.repository.ts by `npm run docs`.

-- GetArchivedJobs (planned with its values each time)
SELECT h.* FROM ffmpeg_master.job_history h WHERE h.archived_on = ANY($1::date[]) AND h.id = ANY($2::uuid[]);

-- GetArchivedJobByNumber (planned with its values each time)
SELECT h.* FROM ffmpeg_master.job_history h
WHERE h.archived_on = ANY($1::date[]) AND h.sequence_number = $2 AND h.tenant_id = $3;

-- ListHistoryDays
SELECT CASE WHEN c.relname ~ '^job_history_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END AS day, d.lowest, d.highest
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
LEFT JOIN ffmpeg_master.history_days d ON d.day = CASE WHEN c.relname ~ '^job_history_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END
WHERE i.inhparent = 'ffmpeg_master.job_history'::regclass
  AND CASE WHEN c.relname ~ '^job_history_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END <= ((now() + interval '1 minute') AT TIME ZONE 'UTC')::date
ORDER BY 1;
