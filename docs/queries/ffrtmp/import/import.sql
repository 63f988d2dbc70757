-- Generated from src/ffrtmp/import/import.repository.ts by `npm run docs`.

-- LockImport
SELECT pg_try_advisory_lock(hashtextextended('ffmpeg_master.import', 0)) AS locked;

-- BeginImport
INSERT INTO ffmpeg_master.imports (source) VALUES ($1) RETURNING id;

-- EndImport
UPDATE ffmpeg_master.imports SET ended_at = now(), counts = $2::jsonb WHERE id = $1;

-- ListImportDays
SELECT to_char(d.day, 'YYYY-MM-DD') AS day
FROM (SELECT (min(i.began_at) AT TIME ZONE 'UTC')::date AS first FROM ffmpeg_master.imports i) f,
     generate_series(f.first, (now() AT TIME ZONE 'UTC')::date + 1, interval '1 day') AS d(day);

-- BeginRaiseNumbers
BEGIN;

-- RaiseNumbersTimeout
SET LOCAL lock_timeout = '500ms';

-- LockJobsForNumbers
LOCK TABLE ffmpeg_master.jobs IN SHARE MODE;

-- RaiseNumbers
SELECT setval('ffmpeg_master.job_sequence_numbers', greatest($1::bigint, s.last_value), s.is_called OR $1::bigint >= s.last_value)
  FROM ffmpeg_master.job_sequence_numbers s;

-- CommitRaiseNumbers
COMMIT;

-- RollbackRaiseNumbers
ROLLBACK;

-- ListDaysOfNumbers
SELECT to_char(p.day, 'YYYY-MM-DD') AS day
FROM (SELECT CASE WHEN c.relname ~ '^job_history_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END AS day
      FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'ffmpeg_master.job_history'::regclass) p
LEFT JOIN ffmpeg_master.history_days d ON d.day = p.day
WHERE p.day <= (now() AT TIME ZONE 'UTC')::date + 1 AND (d.day IS NULL OR (d.lowest <= $2::bigint AND d.highest >= $1::bigint));

-- FindImportedJobs (planned with its values each time)
SELECT j.id FROM ffmpeg_master.jobs j WHERE j.id = ANY($1::uuid[])
UNION ALL
SELECT h.id FROM ffmpeg_master.job_history h WHERE h.archived_on = ANY($2::date[]) AND h.id = ANY($1::uuid[]);

-- FindTakenNumbers (planned with its values each time)
SELECT j.sequence_number::text AS number FROM ffmpeg_master.jobs j
WHERE (SELECT EXISTS (SELECT FROM ffmpeg_master.jobs r
                WHERE r.tenant_id = 'default' AND r.sequence_number BETWEEN $3::bigint AND $4::bigint)) AND j.tenant_id = 'default' AND j.sequence_number = ANY($1::bigint[])
UNION ALL
SELECT h.sequence_number::text FROM ffmpeg_master.job_history h
WHERE (SELECT EXISTS (SELECT FROM ffmpeg_master.job_history r
                WHERE r.tenant_id = 'default' AND r.sequence_number BETWEEN $3::bigint AND $4::bigint AND r.archived_on = ANY($2::date[])))
  AND h.archived_on = ANY($2::date[]) AND h.tenant_id = 'default' AND h.sequence_number = ANY($1::bigint[]);

-- InsertImportedJobs (planned with its values each time)
WITH sent AS MATERIALIZED (SELECT s.* FROM json_to_recordset($1::json) AS s(
  ordinal int, id uuid, sequence_number bigint, scenario text, parameters text, queue text, priority text, engine text,
  confidence text, lane_id int, status text, paused boolean, max_retries int, timeout_seconds int, retry_count int,
  node_id uuid, created_at timestamptz, started_at timestamptz, completed_at timestamptz, error text,
  failure_reason text, progress real, data jsonb, log_digest text)),
waiting AS (
  INSERT INTO ffmpeg_master.jobs (id, sequence_number, tenant_id, scenario, parameters, queue, priority, requirements, engine, confidence, status,
    paused, lane_id, position, max_retries, timeout_seconds, attempt, failures, retry_count, node_id, node_name,
    event_count, created_at, started_at, error, failure_reason, due_at)
  SELECT s.id, coalesce(s.sequence_number, nextval('ffmpeg_master.job_sequence_numbers')), 'default', s.scenario,
    s.parameters::jsonb, s.queue, s.priority, '{}', s.engine, s.confidence, s.status, s.paused, s.lane_id,
    least(9007199254740991, (extract(epoch FROM s.created_at) * 1000000)::bigint), s.max_retries, s.timeout_seconds,
    s.retry_count + (s.started_at IS NOT NULL)::int, least(s.retry_count, s.max_retries), s.retry_count, s.node_id,
    (SELECT n.name FROM ffmpeg_master.nodes n WHERE n.id = s.node_id), 1, s.created_at, s.started_at, s.error,
    s.failure_reason, now() FROM sent s WHERE s.completed_at IS NULL ORDER BY s.ordinal
  RETURNING id, sequence_number
),
ended AS (
  INSERT INTO ffmpeg_master.job_history (id, sequence_number, tenant_id, scenario, parameters, queue, priority, requirements, engine, confidence, status,
    paused, lane_id, position, max_retries, timeout_seconds, attempt, failures, retry_count, node_id, node_name,
    event_count, created_at, started_at, error, failure_reason, progress, completed_at, archived_on)
  SELECT s.id, coalesce(s.sequence_number, nextval('ffmpeg_master.job_sequence_numbers')), 'default', s.scenario,
    s.parameters::jsonb, s.queue, s.priority, '{}', s.engine, s.confidence, s.status, s.paused, s.lane_id,
    least(9007199254740991, (extract(epoch FROM s.created_at) * 1000000)::bigint), s.max_retries, s.timeout_seconds,
    s.retry_count + (s.started_at IS NOT NULL)::int, least(s.retry_count, s.max_retries), s.retry_count, s.node_id,
    (SELECT n.name FROM ffmpeg_master.nodes n WHERE n.id = s.node_id), 1, s.created_at, s.started_at, s.error,
    s.failure_reason, s.progress, s.completed_at, (now() AT TIME ZONE 'UTC')::date FROM sent s WHERE s.completed_at IS NOT NULL ORDER BY s.ordinal
  RETURNING id, sequence_number
),
event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, type, from_status, to_status, attempt, tenant_id, queue, actor, data)
  SELECT (now() AT TIME ZONE 'UTC')::date, s.id, 1, 0, 'imported', NULL, s.status, 0, 'default', s.queue, 'import', s.data
  FROM sent s ORDER BY s.ordinal
),
log AS (
  INSERT INTO ffmpeg_master.job_logs (day, job_id, lease_token, start_offset, text)
  SELECT (now() AT TIME ZONE 'UTC')::date, l.id, 0, l."offset", l.text
  FROM json_to_recordset($2::json) AS l(id uuid, "offset" bigint, text text)
)
SELECT a.id, a.sequence_number::text AS number FROM (TABLE waiting UNION ALL TABLE ended) a
JOIN sent s ON s.id = a.id AND s.sequence_number IS NULL;

-- CompareImportedJobs (planned with its values each time)
WITH sent AS MATERIALIZED (
  SELECT s.id, s.scenario, s.parameters::jsonb AS parameters, s.queue, s.priority, s.engine, s.confidence, s.max_retries,
         s.timeout_seconds, s.created_at, s.status, s.paused, s.retry_count, s.node_id, s.started_at, s.completed_at,
         s.error, s.failure_reason, s.data, s.log_digest, s.sequence_number,
         CASE WHEN s.completed_at IS NOT NULL THEN s.progress END AS progress
  FROM json_to_recordset($1::json) AS s(
  ordinal int, id uuid, sequence_number bigint, scenario text, parameters text, queue text, priority text, engine text,
  confidence text, lane_id int, status text, paused boolean, max_retries int, timeout_seconds int, retry_count int,
  node_id uuid, created_at timestamptz, started_at timestamptz, completed_at timestamptz, error text,
  failure_reason text, progress real, data jsonb, log_digest text)
),
pair AS MATERIALIZED (
  SELECT s.id, w.id IS NULL AS missing, w.event_count > 1 AS moved_on,
         w.sequence_number <> s.sequence_number AS renumbered,
         s.sequence_number AS brought, w.sequence_number AS number,
         hash_record_extended(ROW(s.id, s.scenario, s.parameters, s.queue, s.priority, s.engine, s.confidence,
        s.max_retries, s.timeout_seconds, s.created_at, s.data, s.log_digest), 0) AS read_digest, hash_record_extended(ROW(w.id, w.scenario, w.parameters, w.queue, w.priority, w.engine, w.confidence,
        w.max_retries, w.timeout_seconds, w.created_at, w.data, w.log_digest), 0) AS kept_digest,
         ROW(s.id, s.scenario, s.parameters, s.queue, s.priority, s.engine, s.confidence,
        s.max_retries, s.timeout_seconds, s.created_at, s.data, s.log_digest) IS DISTINCT FROM ROW(w.id, w.scenario, w.parameters, w.queue, w.priority, w.engine, w.confidence,
        w.max_retries, w.timeout_seconds, w.created_at, w.data, w.log_digest)
           OR w.event_count = 1 AND ROW(s.status, s.paused, s.retry_count, s.node_id, s.started_at, s.completed_at,
        s.error, s.failure_reason, s.progress) IS DISTINCT FROM ROW(w.status, w.paused, w.retry_count, w.node_id, w.started_at, w.completed_at,
        w.error, w.failure_reason, w.progress) AS differs
  FROM sent s
  LEFT JOIN LATERAL (
    SELECT k.*, e.data, g.log_digest
    FROM (SELECT k.id, k.sequence_number, k.scenario, k.parameters, k.queue, k.priority, k.engine, k.confidence, k.max_retries,
       k.timeout_seconds, k.created_at, k.status, k.paused, k.retry_count, k.node_id, k.started_at, k.event_count, NULL::timestamptz AS completed_at, k.error, k.failure_reason, NULL::real AS progress
          FROM ffmpeg_master.jobs k WHERE k.id = s.id
          UNION ALL
          SELECT k.id, k.sequence_number, k.scenario, k.parameters, k.queue, k.priority, k.engine, k.confidence, k.max_retries,
       k.timeout_seconds, k.created_at, k.status, k.paused, k.retry_count, k.node_id, k.started_at, k.event_count, k.completed_at, k.error, k.failure_reason, k.progress
          FROM ffmpeg_master.job_history k WHERE k.archived_on = ANY($2::date[]) AND k.id = s.id LIMIT 1) k
    LEFT JOIN LATERAL (
      SELECT e.data FROM ffmpeg_master.job_events e
      WHERE e.day = ANY($2::date[]) AND e.job_id = s.id AND e.n = 1 AND e.type = 'imported' LIMIT 1) e ON true
    CROSS JOIN LATERAL (
      SELECT md5(string_agg(l.text, '' ORDER BY l.start_offset)) AS log_digest FROM ffmpeg_master.job_logs l
      WHERE l.day = ANY($2::date[]) AND l.job_id = s.id AND l.lease_token = 0) g
    LIMIT 1) w ON true
)
SELECT count(*) FILTER (WHERE NOT p.missing)::int AS compared,
       coalesce(array_agg(p.id) FILTER (WHERE p.missing), '{}') AS missing,
       coalesce(array_agg(p.id) FILTER (WHERE NOT p.missing AND p.differs), '{}') AS differing,
       count(*) FILTER (WHERE p.moved_on)::int AS moved_on,
       coalesce(json_agg(json_build_object('id', p.id, 'brought', p.brought::text, 'number', p.number::text)) FILTER (WHERE p.renumbered), '[]') AS renumbered,
       coalesce(bit_xor(p.read_digest), 0)::text AS read_digest,
       coalesce(bit_xor(p.kept_digest) FILTER (WHERE NOT p.missing), 0)::text AS kept_digest
FROM pair p;

-- InsertImportedNodes (planned with its values each time)
WITH sent AS MATERIALIZED (
  SELECT s.* FROM json_to_recordset($1::json) AS s(
    ordinal int, id uuid, name text, address text, instance_id uuid, slots int, cpu_threads int, cpu_model text,
    ram_total_bytes bigint, gpus jsonb, encoders jsonb, engines jsonb, labels jsonb, registered_at timestamptz)
),
named AS (
  SELECT s.*, row_number() OVER (PARTITION BY s.name ORDER BY s.ordinal) > 1
           OR EXISTS (SELECT FROM ffmpeg_master.nodes n WHERE n.name = s.name AND n.tenant_id = 'default') AS taken
  FROM sent s WHERE NOT EXISTS (SELECT FROM ffmpeg_master.nodes n WHERE n.id = s.id)
),
node AS (
  INSERT INTO ffmpeg_master.nodes
    (id, tenant_id, name, given_name, address, instance_id, slots, cpu_threads, cpu_model, ram_total_bytes, gpus, encoders,
     engines, ffmpeg_version, labels, status, registered_at)
  SELECT s.id, 'default', CASE WHEN s.taken THEN left(s.name, 119) || '-' || left(s.id::text, 8) ELSE s.name END, s.name,
         s.address, s.instance_id, s.slots, s.cpu_threads, s.cpu_model, s.ram_total_bytes, s.gpus,
         ARRAY(SELECT jsonb_array_elements_text(s.encoders)), ARRAY(SELECT jsonb_array_elements_text(s.engines)), '',
         s.labels, 'offline', coalesce(s.registered_at, now())
  FROM named s ORDER BY s.ordinal
  ON CONFLICT DO NOTHING RETURNING id, name, given_name
),
counter AS (INSERT INTO ffmpeg_master.node_counters (node_id) SELECT n.id FROM node n),
presence AS (INSERT INTO ffmpeg_master.node_presence (node_id) SELECT n.id FROM node n)
SELECT n.id FROM node n;

-- CompareImportedNodes (planned with its values each time)
SELECT s.id, n.name, n.given_name, n.id IS NULL AS missing,
       coalesce(n.status = 'offline' AND n.registered_at = s.registered_at AND
         (n.given_name, n.address, n.cpu_threads, n.cpu_model, n.ram_total_bytes, n.gpus, n.encoders, n.labels) IS DISTINCT FROM
         (s.name, s.address, s.cpu_threads, s.cpu_model, s.ram_total_bytes, s.gpus,
          ARRAY(SELECT jsonb_array_elements_text(s.encoders)), s.labels), false) AS differs
FROM json_to_recordset($1::json) AS s(
  id uuid, name text, address text, cpu_threads int, cpu_model text, ram_total_bytes bigint, gpus jsonb, encoders jsonb,
  labels jsonb, registered_at timestamptz)
LEFT JOIN ffmpeg_master.nodes n ON n.id = s.id;

-- FindImportedNodes (planned with its values each time)
SELECT n.id, n.name FROM ffmpeg_master.nodes n
WHERE n.id = ANY($1::uuid[]) OR n.name = ANY($2::text[]) AND n.tenant_id = 'default';

-- FindImportedTenant
SELECT FROM ffmpeg_master.imported_tenants t WHERE t.id = $1;

-- ListRequirementsForImport
SELECT DISTINCT l.requirement_hash AS hash FROM ffmpeg_master.lanes l WHERE l.tenant_id = 'default' AND l.requirement <> '{}';

-- InsertImportedTenant
INSERT INTO ffmpeg_master.imported_tenants (id, tenant) VALUES ($1, $2::jsonb)
ON CONFLICT (id) DO UPDATE SET tenant = EXCLUDED.tenant RETURNING xmax = 0 AS is_new;
