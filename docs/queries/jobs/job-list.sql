-- Generated from src/jobs/job-list.repository.ts by `npm run docs`.

-- ListJobs (planned with its values each time)
SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token WHERE j.sequence_number < $1 AND j.tenant_id = $3 ORDER BY j.sequence_number DESC LIMIT $2;

-- ListJobs (planned with its values each time)
SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token WHERE (j.status, j.sequence_number) >= ($6, 0) AND (j.status, j.sequence_number) < ($6, $1) AND j.tenant_id = $3 AND j.queue = $4 AND j.tags @> ARRAY[$5::text] ORDER BY j.status DESC, j.sequence_number DESC LIMIT $2;

-- ListJobs (planned with its values each time)
SELECT * FROM ((SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token WHERE (j.status, j.sequence_number) >= ($4, 0) AND (j.status, j.sequence_number) < ($4, $1) AND j.tenant_id = $3 ORDER BY j.status DESC, j.sequence_number DESC LIMIT $2) UNION ALL (SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token WHERE (j.status, j.sequence_number) >= ($5, 0) AND (j.status, j.sequence_number) < ($5, $1) AND j.tenant_id = $3 ORDER BY j.status DESC, j.sequence_number DESC LIMIT $2)) p
          ORDER BY p.sequence_number DESC LIMIT $2;

-- ListArchivedJobs (planned with its values each time)
SELECT j.* FROM ffmpeg_master.job_history j WHERE j.sequence_number < $1 AND j.tenant_id = $3 AND j.archived_on = $4 AND j.created_at >= $5 ORDER BY j.sequence_number DESC LIMIT $2;
