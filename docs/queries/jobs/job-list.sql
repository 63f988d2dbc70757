-- Generated from src/jobs/job-list.repository.ts by `npm run docs`.

-- ListJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, true AS fits, row_number() OVER o AS nth
    FROM ffmpeg_master.jobs j
    WHERE (j.tenant_id, j.sequence_number) >= ($2, $3) AND (j.tenant_id, j.sequence_number) < ($2, $4)
    WINDOW o AS (ORDER BY j.tenant_id DESC, j.sequence_number DESC)
    ORDER BY j.tenant_id DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR w.nth % 1000 = 0 THEN true END
  LIMIT $5)) w
LEFT JOIN LATERAL (
  SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = w.id AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;

-- ListJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, (j.queue = $6 AND j.tags @> ARRAY[$7::text] AND j.status = ANY($5::text[])) IS TRUE AS fits, row_number() OVER o AS nth
    FROM ffmpeg_master.jobs j
    WHERE (j.tenant_id, j.sequence_number) >= ($2, $3) AND (j.tenant_id, j.sequence_number) < ($2, $4)
    WINDOW o AS (ORDER BY j.tenant_id DESC, j.sequence_number DESC)
    ORDER BY j.tenant_id DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR w.nth % 1000 = 0 THEN true END
  LIMIT $8)) w
LEFT JOIN LATERAL (
  SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = w.id AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;

-- ListJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, true AS fits, row_number() OVER o AS nth
    FROM ffmpeg_master.jobs j
    WHERE (j.status, j.tenant_id, j.sequence_number) >= ($5, $2, $3) AND (j.status, j.tenant_id, j.sequence_number) < ($5, $2, $4) AND j.status <> 'queued'
    WINDOW o AS (ORDER BY j.status DESC, j.tenant_id DESC, j.sequence_number DESC)
    ORDER BY j.status DESC, j.tenant_id DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR w.nth % 1000 = 0 THEN true END
  LIMIT $7) UNION ALL (
  SELECT 1 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, true AS fits, row_number() OVER o AS nth
    FROM ffmpeg_master.jobs j
    WHERE (j.status, j.tenant_id, j.sequence_number) >= ($6, $2, $3) AND (j.status, j.tenant_id, j.sequence_number) < ($6, $2, $4) AND j.status <> 'queued'
    WINDOW o AS (ORDER BY j.status DESC, j.tenant_id DESC, j.sequence_number DESC)
    ORDER BY j.status DESC, j.tenant_id DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR w.nth % 1000 = 0 THEN true END
  LIMIT $8)) w
LEFT JOIN LATERAL (
  SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = w.id AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;

-- ListJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, (j.node_id = $6) IS TRUE AS fits, row_number() OVER o AS nth
    FROM ffmpeg_master.leases n CROSS JOIN LATERAL (
      SELECT j.* FROM ffmpeg_master.jobs j
      WHERE j.id = n.job_id AND j.lease_token = n.lease_token LIMIT 1
    ) j
    WHERE n.node_id = $5 AND j.tenant_id = $2 AND j.sequence_number >= $3 AND j.sequence_number < $4
    WINDOW o AS (ORDER BY j.sequence_number DESC)
    ORDER BY j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR w.nth % 1000 = 0 THEN true END
  LIMIT $7)) w
LEFT JOIN LATERAL (
  SELECT j.*, l.progress, NULL::jsonb AS result, NULL::timestamptz AS completed_at
  FROM ffmpeg_master.jobs j LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token
  WHERE j.id = w.id AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;

-- ListArchivedJobs (planned with its values each time)
SELECT d.*, w.walk, w.sequence_number AS walk_number, w.fits AS walk_fits, w.nth AS walk_nth
FROM ((
  SELECT 0 AS walk, w.*
  FROM (
    SELECT j.id, j.sequence_number, (j.created_at >= $6) IS TRUE AS fits, row_number() OVER o AS nth
    FROM ffmpeg_master.job_history j
    WHERE (j.tenant_id, j.sequence_number) >= ($3, $4) AND (j.tenant_id, j.sequence_number) < ($3, $5) AND j.archived_on >= ANY(ARRAY[$2::date]) AND j.archived_on <= ANY(ARRAY[$2::date])
    WINDOW o AS (ORDER BY j.tenant_id DESC, j.sequence_number DESC)
    ORDER BY j.tenant_id DESC, j.sequence_number DESC
  ) w
  WHERE CASE WHEN w.fits OR w.nth >= $1 OR w.nth % 1000 = 0 THEN true END
  LIMIT $7)) w
LEFT JOIN LATERAL (
  SELECT j.* FROM ffmpeg_master.job_history j WHERE j.id = w.id AND j.archived_on = $2 AND w.fits LIMIT 1
) d ON true
ORDER BY w.sequence_number DESC;
