-- Up Migration

-- A lease is found by its token, which its job carries. Nothing looked for the lease of a job by this index, and
-- each claim paid for it.
DROP INDEX ffmpeg_master.leases_job;

-- Down Migration

CREATE INDEX leases_job ON ffmpeg_master.leases (job_id);
