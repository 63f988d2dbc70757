-- Generated from src/jobs/jobs.repository.ts by `npm run docs`.

-- GetJob
SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
FROM ffmpeg_master.jobs j
LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token WHERE j.id = $1 AND j.tenant_id = $2;

-- GetJobByNumber
SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
FROM ffmpeg_master.jobs j
LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token WHERE j.sequence_number = $1 AND j.tenant_id = $2;

-- GetJobs
SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
FROM ffmpeg_master.jobs j
LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token WHERE j.id = ANY($1::uuid[]);
