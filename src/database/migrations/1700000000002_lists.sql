-- Up Migration

-- contracts: the uniqueness of idx_jobs_sequence, unused since 0.1.0
--
-- Lists: the tenant before the number, since a list is one tenant's. Nearly all live jobs are queued and nearly all
-- archived ones completed, so the indexes by status leave these out, and a submit and the end of a job pay for one
-- index less. The status first: with the tenant first, a plan without statistics walked the other index instead. No
-- longer unique: the numbers come from one sequence, and the check cost each claim and each start a look at the
-- version before (docs/adr/0019).
--
-- Closed days first, whose locks block nothing, then the present one, then what a claim or a report needs.
DO $$
DECLARE
  day text;
BEGIN
  FOR day IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'ffmpeg_master.job_history'::regclass
      AND c.relname < 'job_history_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')
    ORDER BY c.relname
  LOOP
    EXECUTE format('CREATE INDEX ON ffmpeg_master.%I (tenant_id, sequence_number)', day);
    EXECUTE format('CREATE INDEX ON ffmpeg_master.%I (status, tenant_id, sequence_number) WHERE status <> %L', day, 'completed');
  END LOOP;
END $$;

-- From here on all the tables that masters at work need at once, before any of them is kept from anybody: taken one by
-- one as they are needed, they made deadlocks with reports and lists, which take them in orders of their own. Nobody
-- waits for as long as a server takes to look for one (deadlock_timeout, 1 s): whoever is in the way goes on, and this
-- comes again.
DO $$
BEGIN
  FOR attempt IN 1..50 LOOP
    BEGIN
      PERFORM set_config('lock_timeout', '200ms', true);
      LOCK TABLE ffmpeg_master.leases, ffmpeg_master.jobs, ffmpeg_master.job_history IN ACCESS EXCLUSIVE MODE;
      RETURN;
    EXCEPTION WHEN lock_not_available THEN
      PERFORM pg_sleep(0.05 * random());
    END;
  END LOOP;
  RAISE EXCEPTION 'the tables leases, jobs and job_history were never free at once' USING ERRCODE = 'lock_not_available';
END $$;

CREATE INDEX job_history_by_number ON ffmpeg_master.job_history (tenant_id, sequence_number);
CREATE INDEX job_history_by_status ON ffmpeg_master.job_history (status, tenant_id, sequence_number)
  WHERE status <> 'completed';
CREATE INDEX jobs_by_number ON ffmpeg_master.jobs (tenant_id, sequence_number);
CREATE INDEX jobs_by_status ON ffmpeg_master.jobs (status, tenant_id, sequence_number) WHERE status <> 'queued';

-- A node's jobs are found by its leases; each claim and each start paid for this index, and only a list used it.
DROP INDEX ffmpeg_master.idx_jobs_node_id;
DROP INDEX ffmpeg_master.idx_jobs_sequence, ffmpeg_master.idx_jobs_status,
  ffmpeg_master.idx_job_history_sequence, ffmpeg_master.idx_job_history_status;
ALTER INDEX ffmpeg_master.jobs_by_number RENAME TO idx_jobs_sequence;
ALTER INDEX ffmpeg_master.jobs_by_status RENAME TO idx_jobs_status;
ALTER INDEX ffmpeg_master.job_history_by_number RENAME TO idx_job_history_sequence;
ALTER INDEX ffmpeg_master.job_history_by_status RENAME TO idx_job_history_status;

-- Down Migration

DROP INDEX ffmpeg_master.idx_jobs_sequence, ffmpeg_master.idx_jobs_status,
  ffmpeg_master.idx_job_history_sequence, ffmpeg_master.idx_job_history_status;
CREATE UNIQUE INDEX idx_jobs_sequence ON ffmpeg_master.jobs (sequence_number);
CREATE INDEX idx_jobs_status ON ffmpeg_master.jobs (status, sequence_number);
CREATE INDEX idx_job_history_sequence ON ffmpeg_master.job_history (sequence_number);
CREATE INDEX idx_job_history_status ON ffmpeg_master.job_history (status, sequence_number);
CREATE INDEX idx_jobs_node_id ON ffmpeg_master.jobs (node_id) WHERE status IN ('assigned', 'running');
