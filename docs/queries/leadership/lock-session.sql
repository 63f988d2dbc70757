-- Generated from src/leadership/lock-session.repository.ts by `npm run docs`.

-- TryLeaderLock
SELECT CASE WHEN current_setting('transaction_read_only')::boolean THEN NULL
            ELSE pg_try_advisory_lock($1) END AS locked;

-- PingLockSession
SELECT current_setting('transaction_read_only')::boolean AS read_only;

-- ReadSystemIdentifier
SELECT system_identifier::text AS system_identifier FROM pg_control_system();

-- StartTerm
WITH identity AS MATERIALIZED (
  SELECT $2::text AS system_identifier,
         left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline,
         'ffmpeg_master.leadership'::regclass::oid AS relation_oid
), past AS MATERIALIZED (
  SELECT l.epoch, l.generation, l.system_identifier,
         coalesce(l.system_identifier <> i.system_identifier, false)
         OR coalesce(l.timeline <> i.timeline, false)
         OR coalesce(l.relation_oid <> i.relation_oid, false) AS changed
  FROM ffmpeg_master.leadership l CROSS JOIN identity i
  FOR UPDATE OF l
), jump AS MATERIALIZED (
  SELECT setval('ffmpeg_master.lease_tokens', nextval('ffmpeg_master.lease_tokens') + 4294967296)
  FROM past WHERE changed
), term AS (
  UPDATE ffmpeg_master.leadership l
  SET epoch = p.epoch + 1 + CASE WHEN p.changed THEN 4294967296 ELSE 0 END,
      master_id = $1, since = clock_timestamp(),
      system_identifier = coalesce(i.system_identifier, p.system_identifier),
      timeline = i.timeline, relation_oid = i.relation_oid,
      generation = p.generation + p.changed::int
  FROM past p CROSS JOIN identity i
  WHERE (SELECT count(*) FROM jump) >= 0
  RETURNING l.epoch, l.master_id, l.since, p.changed
), recorded AS (
  INSERT INTO ffmpeg_master.leadership_terms (epoch, master_id, since)
  SELECT t.epoch, t.master_id, t.since FROM term t
)
SELECT t.epoch, t.master_id, t.since, t.changed FROM term t;

-- EndTerm
UPDATE ffmpeg_master.leadership SET master_id = NULL WHERE epoch = $1 AND master_id = $2;

-- ReleaseLeaderLock
SELECT pg_advisory_unlock($1);
