-- Generated from src/jobs/job-list.repository.ts by `npm run docs`.

-- ListJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth,
       w.nth >= $1 AND w.goes_on AS walk_goes_on
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, true AS fits,
           row_number() OVER o AS nth, lead(true) OVER o IS NOT NULL AS goes_on
    FROM ffmpeg_master.jobs j
    WHERE (j.tenant_id, j.sequence_number) >= ($3, $4) AND (j.tenant_id, j.sequence_number) < ($3, $5)
    WINDOW o AS (ORDER BY j.tenant_id DESC, j.sequence_number DESC)
    ORDER BY j.tenant_id DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR NOT w.goes_on THEN true END
  LIMIT $2)) w
LEFT JOIN LATERAL (
  SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = w.id AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;

-- ListJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth,
       w.nth >= $1 AND w.goes_on AS walk_goes_on
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, (j.queue = $7 AND j.tags @> ARRAY[$8::text] AND j.status = ANY($6::text[])) IS TRUE AS fits,
           row_number() OVER o AS nth, lead(true) OVER o IS NOT NULL AS goes_on
    FROM ffmpeg_master.jobs j
    WHERE (j.tenant_id, j.sequence_number) >= ($3, $4) AND (j.tenant_id, j.sequence_number) < ($3, $5)
    WINDOW o AS (ORDER BY j.tenant_id DESC, j.sequence_number DESC)
    ORDER BY j.tenant_id DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR NOT w.goes_on THEN true END
  LIMIT $2)) w
LEFT JOIN LATERAL (
  SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = w.id AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;

-- ListJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth,
       w.nth >= $1 AND w.goes_on AS walk_goes_on
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, true AS fits,
           row_number() OVER o AS nth, lead(true) OVER o IS NOT NULL AS goes_on
    FROM ffmpeg_master.jobs j
    WHERE (j.tenant_id, j.status, j.sequence_number) >= ($3, $6, $4) AND (j.tenant_id, j.status, j.sequence_number) < ($3, $6, $5) AND j.status <> 'queued'
    WINDOW o AS (ORDER BY j.tenant_id DESC, j.status DESC, j.sequence_number DESC)
    ORDER BY j.tenant_id DESC, j.status DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR NOT w.goes_on THEN true END
  LIMIT $2) UNION ALL (
  SELECT 1 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, true AS fits,
           row_number() OVER o AS nth, lead(true) OVER o IS NOT NULL AS goes_on
    FROM ffmpeg_master.jobs j
    WHERE (j.tenant_id, j.status, j.sequence_number) >= ($3, $7, $4) AND (j.tenant_id, j.status, j.sequence_number) < ($3, $7, $5) AND j.status <> 'queued'
    WINDOW o AS (ORDER BY j.tenant_id DESC, j.status DESC, j.sequence_number DESC)
    ORDER BY j.tenant_id DESC, j.status DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR NOT w.goes_on THEN true END
  LIMIT $2)) w
LEFT JOIN LATERAL (
  SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = w.id AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;

-- ListJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth,
       w.nth >= $1 AND w.goes_on AS walk_goes_on
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, (j.node_id = $7) IS TRUE AS fits,
           row_number() OVER o AS nth, lead(true) OVER o IS NOT NULL AS goes_on
    FROM ffmpeg_master.jobs j
    WHERE j.node_id = $6 AND j.status IN ('assigned', 'running') AND j.tenant_id = $3 AND j.sequence_number >= $4 AND j.sequence_number < $5
    WINDOW o AS (ORDER BY j.sequence_number DESC)
    ORDER BY j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR NOT w.goes_on THEN true END
  LIMIT $2)) w
LEFT JOIN LATERAL (
  SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = w.id AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;

-- ListArchivedJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth,
       w.nth >= $1 AND w.goes_on AS walk_goes_on
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, (j.created_at >= $7) IS TRUE AS fits,
           row_number() OVER o AS nth, lead(true) OVER o IS NOT NULL AS goes_on
    FROM ffmpeg_master.job_history j
    WHERE (j.tenant_id, j.sequence_number) >= ($4, $5) AND (j.tenant_id, j.sequence_number) < ($4, $6) AND j.archived_on = $3
    WINDOW o AS (ORDER BY j.tenant_id DESC, j.sequence_number DESC)
    ORDER BY j.tenant_id DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR NOT w.goes_on THEN true END
  LIMIT $2)) w
LEFT JOIN LATERAL (
  SELECT j.* FROM ffmpeg_master.job_history j WHERE j.id = w.id AND j.archived_on = $3 AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;
