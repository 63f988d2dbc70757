-- Generated from src/duties/vacuum-hot-tables.repository.ts by `npm run docs`.

-- ReadDeadRows
WITH n AS MATERIALIZED (
  SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid
),
horizon AS (
  SELECT coalesce(min(CASE WHEN (held.xid::text::bigint - n.xid) & 4294967295 < 2147483648 THEN n.xid
     ELSE n.xid - ((n.xid - held.xid::text::bigint) & 4294967295) END), (SELECT n.xid FROM n)) AS xid
  FROM n CROSS JOIN (
    SELECT unnest(ARRAY[a.backend_xmin, a.backend_xid]) AS xid
    FROM pg_catalog.pg_stat_activity a
    WHERE a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL
      AND coalesce(a.datname, current_database()) = current_database()
    UNION ALL
    SELECT p.transaction FROM pg_catalog.pg_prepared_xacts p WHERE p.database = current_database()
    UNION ALL
    SELECT s.xmin FROM pg_catalog.pg_replication_slots s
  ) held
  WHERE held.xid IS NOT NULL
)
SELECT s.relname AS table, s.n_dead_tup AS dead, h.xid AS horizon
FROM pg_catalog.pg_stat_user_tables s CROSS JOIN horizon h
WHERE s.schemaname = 'ffmpeg_master' AND s.relname = ANY($1::name[]);

-- VacuumHotTable (planned with its values each time)
VACUUM (TRUNCATE off) ffmpeg_master.jobs;

-- VacuumHotTable (planned with its values each time)
VACUUM (TRUNCATE off) ffmpeg_master.leases;

-- VacuumHotTable (planned with its values each time)
VACUUM (TRUNCATE off) ffmpeg_master.node_counters;

-- VacuumHotTable (planned with its values each time)
VACUUM (TRUNCATE off) ffmpeg_master.node_presence;

-- VacuumHotTable (planned with its values each time)
VACUUM (TRUNCATE off) ffmpeg_master.queue_counters;

-- VacuumHotTable (planned with its values each time)
VACUUM (TRUNCATE off) ffmpeg_master.master_presence;

-- VacuumHotTable (planned with its values each time)
VACUUM (TRUNCATE off) ffmpeg_master.cluster_presence;

-- VacuumHotTable (planned with its values each time)
VACUUM (TRUNCATE off) ffmpeg_master.leadership;
