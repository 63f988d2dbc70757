-- Generated from src/duties/vacuum-horizon.repository.ts by `npm run docs`.

-- ReadSnapshotHolders
WITH holder AS (
  SELECT CASE WHEN a.datid IS NULL THEN 'standby' ELSE 'session' END AS kind, a.pid,
         coalesce(nullif(a.application_name, ''), 'unknown') AS name, a.xact_start AS since,
         greatest(age(a.backend_xmin), age(a.backend_xid)) AS transactions
  FROM pg_catalog.pg_stat_activity a
  WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) AND a.pid <> pg_backend_pid()
    AND a.usesysid IS NOT NULL AND coalesce(a.datname, current_database()) = current_database()
  UNION ALL
  SELECT 'prepared_transaction', 0, p.gid, p.prepared, age(p.transaction)
  FROM pg_catalog.pg_prepared_xacts p WHERE p.database = current_database()
  UNION ALL
  SELECT 'replication_slot', 0, s.slot_name, NULL, age(s.xmin)
  FROM pg_catalog.pg_replication_slots s WHERE s.xmin IS NOT NULL
)
SELECT h.kind, h.pid, h.name,
       extract(epoch FROM clock_timestamp() - h.since)::float8 AS seconds,
       greatest(3, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - h.transactions)::text AS xid
FROM (SELECT DISTINCT ON (h.kind, h.pid, h.name) h.* FROM holder h) h
ORDER BY h.transactions DESC LIMIT 5;

-- ReadTimeSinceTransaction (planned with its values each time)
SELECT extract(epoch FROM clock_timestamp() - e.at)::float8 AS seconds
FROM ffmpeg_master.job_events e
WHERE e.day BETWEEN $2::date AND $3::date
  AND e.generation = (SELECT generation FROM ffmpeg_master.leadership) AND e.xid >= $1::xid8
ORDER BY e.generation, e.xid, e.id LIMIT 1;

-- ReadReplicationSlots
SELECT s.slot_name::text AS name, s.active, w.bytes::float8 AS retained_bytes, pg_size_pretty(w.bytes) AS retained
FROM pg_catalog.pg_replication_slots s
CROSS JOIN LATERAL (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) AS bytes) w
ORDER BY w.bytes DESC NULLS LAST, s.slot_name;
