-- Generated from src/commands/doctor/doctor.repository.ts by `npm run docs`.

-- DoctorServerFacts (planned with its values each time)
SELECT current_setting('server_version') AS version,
       current_setting('max_connections')::integer AS max_connections,
       current_setting('superuser_reserved_connections')::integer AS reserved_connections,
       current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('autovacuum') AS autovacuum,
       (SELECT setting::integer FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout_ms,
       (SELECT setting::integer FROM pg_settings
        WHERE name = 'idle_in_transaction_session_timeout') AS idle_in_transaction_ms,
       (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS clock_ms;

-- DoctorRights (planned with its values each time)
SELECT r.rolname AS role, r.rolcreaterole OR r.rolsuper AS may_create_role,
       ARRAY(
         SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = to_regnamespace('ffmpeg_master') AND c.relname <> 'migrations'
           AND ((c.relkind IN ('r', 'p')
                 AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                          AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
                 AND NOT c.relispartition)
             OR (CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') ELSE false END))
         UNION ALL
         SELECT p.proname::text FROM pg_proc p
         WHERE p.pronamespace = to_regnamespace('ffmpeg_master') AND NOT has_function_privilege(p.oid, 'EXECUTE')
         ORDER BY 1) AS refused
FROM pg_roles r WHERE r.rolname = current_user;

-- DoctorCountMasters (planned with its values each time)
SELECT count(*)::integer AS masters FROM ffmpeg_master.master_presence
WHERE seen_at > now() - interval '1 minute';

-- DoctorHotTables (planned with its values each time)
SELECT relname::text AS name, n_live_tup AS live, n_dead_tup AS dead
FROM pg_stat_user_tables
WHERE schemaname = 'ffmpeg_master'
  AND relname IN ('jobs', 'leases', 'node_counters', 'queue_counters', 'node_presence', 'master_presence',
                  'leadership', 'cluster_presence', 'idempotency_keys')
ORDER BY n_dead_tup DESC;
