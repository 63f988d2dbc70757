-- Generated from src/duties/vacuum-hot-tables.repository.ts by `npm run docs`.

-- ReadDeadRows
SELECT s.relname AS table, s.n_dead_tup AS dead FROM pg_stat_user_tables s
WHERE s.schemaname = 'ffmpeg_master' AND s.relname = ANY($1::name[]);

-- VacuumHotTable (planned with its values each time)
VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.jobs;

-- VacuumHotTable (planned with its values each time)
VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.leases;

-- VacuumHotTable (planned with its values each time)
VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.node_counters;

-- VacuumHotTable (planned with its values each time)
VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.node_presence;

-- VacuumHotTable (planned with its values each time)
VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.queue_counters;

-- VacuumHotTable (planned with its values each time)
VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.master_presence;

-- VacuumHotTable (planned with its values each time)
VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.cluster_presence;

-- VacuumHotTable (planned with its values each time)
VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.leadership;
