-- Up Migration

-- Numbers. CACHE 1: a cached sequence would hand each session a block, and the numbers of two masters
-- would no longer rise together. Gaps are allowed.
CREATE SEQUENCE ffmpeg_master.job_sequence_numbers AS bigint CACHE 1;
CREATE SEQUENCE ffmpeg_master.lease_tokens AS bigint CACHE 1;
CREATE SEQUENCE ffmpeg_master.event_ids AS bigint CACHE 1;

-- Who leads. Logged on purpose: an unlogged table is empty after a crash and on a standby, and the
-- epoch would start again.
CREATE TABLE ffmpeg_master.leadership (
  only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch             bigint NOT NULL DEFAULT 0,
  master_id         uuid,
  since             timestamptz,
  -- What the database was at the start of the last term. When one of them changes, commits may have
  -- been lost, so epoch and lease tokens jump, and the generation of the event stream rises.
  system_identifier text,
  timeline          text,
  relation_oid      oid,
  generation        integer NOT NULL DEFAULT 1
) WITH (fillfactor = 50);
INSERT INTO ffmpeg_master.leadership DEFAULT VALUES;

-- Every term there was, so that `verify` can hold the leaders' writes against them.
CREATE TABLE ffmpeg_master.leadership_terms (
  epoch     bigint PRIMARY KEY,
  master_id uuid NOT NULL,
  since     timestamptz NOT NULL
);

-- When any master was last seen, and when the last gap without one ended: no lease is swept until a
-- full lease after that, so an outage of the database or of all masters costs no running job.
CREATE TABLE ffmpeg_master.cluster_presence (
  only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  last_seen_at    timestamptz NOT NULL DEFAULT now(),
  outage_ended_at timestamptz
) WITH (fillfactor = 50);
INSERT INTO ffmpeg_master.cluster_presence DEFAULT VALUES;

CREATE TABLE ffmpeg_master.masters (
  id         uuid PRIMARY KEY,
  name       text NOT NULL,
  host       text NOT NULL,
  pid        integer NOT NULL,
  url        text NOT NULL,
  version    text NOT NULL,
  started_at timestamptz NOT NULL
);

CREATE TABLE ffmpeg_master.master_presence (
  master_id uuid PRIMARY KEY,
  seen_at   timestamptz NOT NULL,
  listener  text NOT NULL
) WITH (fillfactor = 50);

-- Queues. rank: smaller is served first; NULL is the rank of the queue's name (live 0, default 1,
-- batch 2, any other 1). aging_step_us: microseconds of waiting that outweigh one level; NULL is strict.
CREATE TABLE ffmpeg_master.queues (
  name          text PRIMARY KEY,
  rank          double precision,
  aging_step_us bigint CHECK (aging_step_us > 0),
  max_running   integer CHECK (max_running >= 0),
  paused        boolean NOT NULL DEFAULT false
);
INSERT INTO ffmpeg_master.queues (name) VALUES ('live'), ('default'), ('batch');

-- One row per queue with max_running, and none for the others: it is locked once in each claim.
CREATE TABLE ffmpeg_master.queue_counters (
  queue   text PRIMARY KEY,
  running integer NOT NULL CHECK (running >= 0)
) WITH (fillfactor = 50);

-- Jobs submitted and finished in the last minute, as each master counted them in its memory. A row that was
-- not written for 15 s counts no more.
CREATE TABLE ffmpeg_master.queue_rates (
  master_id            uuid NOT NULL,
  queue                text NOT NULL,
  submitted_per_minute integer NOT NULL,
  finished_per_minute  integer NOT NULL,
  written_at           timestamptz NOT NULL,
  PRIMARY KEY (master_id, queue)
) WITH (fillfactor = 50);

-- All waiting jobs of one tenant, queue, priority and requirement stand in one lane.
CREATE TABLE ffmpeg_master.lanes (
  id               integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  tenant_id        text NOT NULL,
  queue            text NOT NULL,
  priority         text NOT NULL CHECK (priority IN ('high', 'medium', 'low')),
  requirement      jsonb NOT NULL,
  requirement_hash text NOT NULL,
  UNIQUE (tenant_id, queue, priority, requirement_hash)
);

CREATE TABLE ffmpeg_master.nodes (
  id              uuid PRIMARY KEY,
  tenant_id       text,
  name            text NOT NULL,
  -- The name its worker gives; a second live instance of it gets a name with a number behind it.
  given_name      text NOT NULL,
  address         text NOT NULL DEFAULT '',
  instance_id     uuid NOT NULL,
  slots           integer NOT NULL CHECK (slots > 0),
  queues          text[] NOT NULL DEFAULT '{}',
  cpu_threads     integer NOT NULL,
  cpu_model       text NOT NULL,
  ram_total_bytes bigint NOT NULL,
  gpus            jsonb NOT NULL,
  encoders        text[] NOT NULL,
  engines         text[] NOT NULL,
  ffmpeg_version  text NOT NULL,
  labels          jsonb NOT NULL,
  status          text NOT NULL DEFAULT 'online' CHECK (status IN ('online', 'offline')),
  draining        boolean NOT NULL DEFAULT false,
  registered_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_nodes_status ON ffmpeg_master.nodes (status, id);
CREATE INDEX idx_nodes_address ON ffmpeg_master.nodes (address);
-- The name first: a plan made while the table was empty looked a node up by its tenant, all 2,000 of them.
CREATE UNIQUE INDEX idx_nodes_name ON ffmpeg_master.nodes (name, tenant_id) NULLS NOT DISTINCT;
CREATE INDEX idx_nodes_given_name ON ffmpeg_master.nodes (given_name);

-- What a claim and a report change of a node: one narrow row, locked and changed once a statement.
-- recent_claim_ids: the last eight claims that got jobs; read under that lock, they tell a repeated claim even
-- while the first one commits.
CREATE TABLE ffmpeg_master.node_counters (
  node_id          uuid PRIMARY KEY,
  running          integer NOT NULL DEFAULT 0 CHECK (running >= 0),
  recent_claim_ids uuid[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);

CREATE TABLE ffmpeg_master.node_presence (
  node_id          uuid PRIMARY KEY,
  seen_at          timestamptz NOT NULL DEFAULT now(),
  cpu_load_percent real,
  ram_free_bytes   bigint
) WITH (fillfactor = 50);

-- Live jobs only; a terminal one moves to job_history in the statement that ends it.
CREATE TABLE ffmpeg_master.jobs (
  id              uuid PRIMARY KEY,
  sequence_number bigint NOT NULL DEFAULT nextval('ffmpeg_master.job_sequence_numbers'),
  tenant_id       text NOT NULL DEFAULT 'default',
  scenario        text NOT NULL,
  parameters      jsonb NOT NULL,
  queue           text NOT NULL,
  priority        text NOT NULL,
  requirements    jsonb NOT NULL,
  engine          text NOT NULL,
  classification  text,
  confidence      text,
  tags            text[] NOT NULL DEFAULT '{}',
  status          text NOT NULL,
  paused          boolean NOT NULL DEFAULT false,
  lane_id         integer NOT NULL,
  -- The database's time in microseconds when the job first entered its queue; kept when it re-enters.
  position        bigint NOT NULL,
  run_at          timestamptz,
  -- Not claimed before then: a future run_at, or the backoff of a retry. NULL once promoted.
  due_at          timestamptz,
  max_retries     integer NOT NULL,
  timeout_seconds integer,
  -- Attempts begun; attempts that ended other than released since submission or the last explicit
  -- retry; releases in a row; retries so far, automatic and explicit.
  attempt         integer NOT NULL DEFAULT 0,
  failures        integer NOT NULL DEFAULT 0,
  releases        integer NOT NULL DEFAULT 0,
  retry_count     integer NOT NULL DEFAULT 0,
  -- The present attempt.
  node_id         uuid,
  node_name       text,
  claim_id        uuid,
  lease_token     bigint,
  -- The last accepted report, so that its repeat is told `duplicate` and not `stale`.
  reported_token  bigint,
  reported_as     text,
  event_count     integer NOT NULL DEFAULT 0,
  created_at      timestamptz NOT NULL DEFAULT now(),
  assigned_at     timestamptz,
  started_at      timestamptz,
  error           text,
  failure_reason  text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
CREATE UNIQUE INDEX idx_jobs_sequence ON ffmpeg_master.jobs (sequence_number);
CREATE INDEX idx_jobs_status ON ffmpeg_master.jobs (status, sequence_number);
-- The order of a claim: flat to a million waiting jobs (0.3 ms), where the guide's index on
-- (queue, priority, created_at) took 69 ms after a million completed ones.
CREATE INDEX idx_jobs_queue_priority ON ffmpeg_master.jobs (lane_id, position, sequence_number)
  WHERE status = 'queued' AND NOT paused AND due_at IS NULL;
CREATE INDEX idx_jobs_due ON ffmpeg_master.jobs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX idx_jobs_node_id ON ffmpeg_master.jobs (node_id) WHERE status IN ('assigned', 'running');

-- The right to run one attempt. No index holds what a heartbeat changes, so that its updates are HOT.
-- A canceled or timed-out job's row stays, revoked, until the worker frees the slot or the lease ends.
CREATE TABLE ffmpeg_master.leases (
  lease_token     bigint PRIMARY KEY DEFAULT nextval('ffmpeg_master.lease_tokens'),
  job_id          uuid NOT NULL,
  node_id         uuid NOT NULL,
  claim_id        uuid NOT NULL,
  queue           text NOT NULL,
  revoked         boolean NOT NULL DEFAULT false,
  canceled        boolean NOT NULL DEFAULT false,
  timeout_seconds integer,
  -- When it must have started is counted from here; its wall clock from clock_from. Both are moved on by the
  -- length of each pause.
  assigned_at     timestamptz NOT NULL,
  clock_from      timestamptz,
  paused_at       timestamptz,
  progressed_at   timestamptz,
  expires_at      timestamptz NOT NULL,
  progress        real NOT NULL DEFAULT 0,
  fps             real,
  speed           real,
  media_seconds   real
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
CREATE INDEX leases_claim ON ffmpeg_master.leases (node_id, claim_id);
CREATE INDEX leases_job ON ffmpeg_master.leases (job_id);

CREATE TABLE ffmpeg_master.job_history (
  LIKE ffmpeg_master.jobs INCLUDING DEFAULTS,
  progress     real NOT NULL DEFAULT 0,
  result       jsonb,
  completed_at timestamptz NOT NULL,
  archived_on  date NOT NULL,
  -- The id first: all rows of a partition have one day, and before the first ANALYZE of a new day the planner
  -- took the day for selective and read 25,000 rows for a look-up of 297 ids, or for a page of 51.
  PRIMARY KEY (id, archived_on)
) PARTITION BY RANGE (archived_on);
CREATE INDEX idx_job_history_sequence ON ffmpeg_master.job_history (sequence_number);
CREATE INDEX idx_job_history_status ON ffmpeg_master.job_history (status, sequence_number);
-- BRIN: rows arrive in this order, so analytics read a few blocks and an archived job pays nothing.
CREATE INDEX idx_jobs_completed_at ON ffmpeg_master.job_history USING brin (completed_at);

-- The lowest and highest sequence number of each closed day: a look-up by number and a list touch
-- only the days that can hold it.
CREATE TABLE ffmpeg_master.history_days (
  day     date PRIMARY KEY,
  lowest  bigint NOT NULL,
  highest bigint NOT NULL
);

CREATE TABLE ffmpeg_master.job_events (
  day         date NOT NULL,
  job_id      uuid NOT NULL,
  n           integer NOT NULL,
  id          bigint NOT NULL DEFAULT nextval('ffmpeg_master.event_ids'),
  generation  integer NOT NULL,
  xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at          timestamptz NOT NULL DEFAULT now(),
  type        text NOT NULL,
  from_status text,
  to_status   text NOT NULL,
  attempt     integer NOT NULL,
  node_id     uuid,
  lease_token bigint,
  tenant_id   text NOT NULL,
  queue       text NOT NULL,
  tags        text[] NOT NULL DEFAULT '{}',
  actor       text,
  data        jsonb,
  PRIMARY KEY (day, job_id, n)
) PARTITION BY RANGE (day);
CREATE INDEX idx_job_events_stream ON ffmpeg_master.job_events (generation, xid, id);

CREATE TABLE ffmpeg_master.job_logs (
  day          date NOT NULL,
  job_id       uuid NOT NULL,
  lease_token  bigint NOT NULL,
  start_offset bigint NOT NULL,
  text         text NOT NULL,
  PRIMARY KEY (day, job_id, lease_token, start_offset)
) PARTITION BY RANGE (day);

CREATE TABLE ffmpeg_master.idempotency_keys (
  tenant_id  text NOT NULL,
  route      text NOT NULL,
  key        text NOT NULL,
  body_hash  bytea NOT NULL,
  job_ids    uuid[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, route, key)
);
CREATE INDEX idempotency_keys_created_at ON ffmpeg_master.idempotency_keys (created_at);

-- Makes the partition of one day of one parent, and answers whether it was missing.
-- CREATE … LIKE and ATTACH instead of PARTITION OF: the latter takes ACCESS EXCLUSIVE on the parent and
-- waits behind a dump, and every report waits behind it (measured: 5 s).
CREATE FUNCTION ffmpeg_master.make_partition(parent text, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ffmpeg_master, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
  partition text := parent || '_' || to_char(day, 'YYYYMMDD');
BEGIN
  IF parent NOT IN ('job_history', 'job_events', 'job_logs') THEN
    RAISE EXCEPTION 'no partitioned table %', parent;
  END IF;
  IF EXISTS (
    SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = format('ffmpeg_master.%I', parent)::regclass AND c.relname = partition
  ) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('ffmpeg_master.make_partition', 0));
  IF to_regclass(format('ffmpeg_master.%I', partition)) IS NULL THEN
    EXECUTE format('CREATE TABLE ffmpeg_master.%I (LIKE ffmpeg_master.%I INCLUDING ALL)', partition, parent);
  END IF;
  IF EXISTS (
    SELECT FROM pg_inherits i
    WHERE i.inhparent = format('ffmpeg_master.%I', parent)::regclass
      AND i.inhrelid = format('ffmpeg_master.%I', partition)::regclass
  ) THEN
    RETURN false;
  END IF;
  EXECUTE format('ALTER TABLE ffmpeg_master.%I ATTACH PARTITION ffmpeg_master.%I FOR VALUES FROM (%L) TO (%L)',
                 parent, partition, day, day + 1);
  RETURN true;
END $$;

-- Makes all partitions from today to `ahead` days ahead (in UTC); answers how many were missing.
-- Without a fence on purpose: it only adds, and a master that starts first must not wait for a leader.
CREATE FUNCTION ffmpeg_master.make_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ffmpeg_master, pg_temp AS $$
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  made integer := 0;
  parent text;
BEGIN
  FOREACH parent IN ARRAY ARRAY['job_history', 'job_events', 'job_logs'] LOOP
    FOR k IN 0..least(ahead, 31) LOOP
      IF ffmpeg_master.make_partition(parent, today + k) THEN
        made := made + 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

-- Drops the oldest partition of `parent` that ends on or before `before`, one a call, for the leader of
-- this epoch only. Answers its day, or NULL where there is none or where somebody (a dump) reads the
-- parent: the drop would wait for it, and every report would wait for the drop.
CREATE FUNCTION ffmpeg_master.drop_oldest_partition(
  fence_epoch bigint, fence_master uuid, parent text, before date
) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ffmpeg_master, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
  oldest text;
  oldest_day date;
BEGIN
  PERFORM 1 FROM ffmpeg_master.leadership WHERE epoch = fence_epoch AND master_id = fence_master FOR SHARE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF parent NOT IN ('job_history', 'job_events', 'job_logs') THEN
    RAISE EXCEPTION 'no partitioned table %', parent;
  END IF;
  SELECT c.relname INTO oldest
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = format('ffmpeg_master.%I', parent)::regclass
  ORDER BY c.relname LIMIT 1;
  IF oldest IS NULL THEN
    RETURN NULL;
  END IF;
  oldest_day := to_date(right(oldest, 8), 'YYYYMMDD');
  IF oldest_day >= before THEN
    RETURN NULL;
  END IF;
  IF EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'relation' AND relation = format('ffmpeg_master.%I', parent)::regclass
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND mode = 'AccessShareLock' AND pid <> pg_backend_pid()
      AND pid NOT IN (SELECT pid FROM pg_stat_activity WHERE xact_start > now() - interval '1 second')
  ) THEN
    RETURN NULL;
  END IF;
  EXECUTE format('ALTER TABLE ffmpeg_master.%I DETACH PARTITION ffmpeg_master.%I', parent, oldest);
  EXECUTE format('DROP TABLE ffmpeg_master.%I', oldest);
  IF parent = 'job_history' THEN
    DELETE FROM ffmpeg_master.history_days h WHERE h.day = oldest_day;
  END IF;
  RETURN oldest_day;
EXCEPTION WHEN lock_not_available THEN
  RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION ffmpeg_master.make_partition(text, date) FROM PUBLIC;
REVOKE ALL ON FUNCTION ffmpeg_master.make_partitions(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION ffmpeg_master.drop_oldest_partition(bigint, uuid, text, date) FROM PUBLIC;

SELECT ffmpeg_master.make_partitions(7);

-- Down Migration

DROP FUNCTION ffmpeg_master.drop_oldest_partition(bigint, uuid, text, date);
DROP FUNCTION ffmpeg_master.make_partitions(integer);
DROP FUNCTION ffmpeg_master.make_partition(text, date);
DROP TABLE ffmpeg_master.idempotency_keys, ffmpeg_master.job_logs, ffmpeg_master.job_events, ffmpeg_master.history_days,
  ffmpeg_master.job_history, ffmpeg_master.leases, ffmpeg_master.jobs, ffmpeg_master.node_presence,
  ffmpeg_master.node_counters, ffmpeg_master.nodes, ffmpeg_master.lanes, ffmpeg_master.queue_rates, ffmpeg_master.queue_counters,
  ffmpeg_master.queues, ffmpeg_master.master_presence, ffmpeg_master.masters, ffmpeg_master.cluster_presence,
  ffmpeg_master.leadership_terms, ffmpeg_master.leadership;
DROP SEQUENCE ffmpeg_master.event_ids, ffmpeg_master.lease_tokens, ffmpeg_master.job_sequence_numbers;
