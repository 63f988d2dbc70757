-- Generated from src/access/api-keys.repository.ts by `npm run docs`.

-- InsertApiKey
INSERT INTO ffmpeg_master.api_keys AS k
  (id, prefix, digest, tenant_id, name, role, scopes, node_id, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING k.id, k.prefix, k.tenant_id, k.name, k.role, k.scopes, k.node_id, k.replaces, k.created_by, k.created_at,
k.expires_at, k.revoked_at, k.last_used_at;

-- ListApiKeys
SELECT k.id, k.prefix, k.tenant_id, k.name, k.role, k.scopes, k.node_id, k.replaces, k.created_by, k.created_at,
k.expires_at, k.revoked_at, k.last_used_at FROM ffmpeg_master.api_keys k
WHERE k.tenant_id = $1 AND k.id > $2 AND ($3 OR k.revoked_at IS NULL AND (k.expires_at > now()) IS NOT FALSE)
ORDER BY k.id LIMIT $4;

-- GetApiKey
SELECT k.id, k.prefix, k.tenant_id, k.name, k.role, k.scopes, k.node_id, k.replaces, k.created_by, k.created_at,
k.expires_at, k.revoked_at, k.last_used_at FROM ffmpeg_master.api_keys k WHERE k.id = $1 AND k.tenant_id = $2;

-- RevokeApiKey
WITH revoked AS (
  UPDATE ffmpeg_master.api_keys k SET revoked_at = coalesce(k.revoked_at, now())
  WHERE k.id = $1 AND k.tenant_id = $2 RETURNING k.id, k.prefix, k.tenant_id, k.name, k.role, k.scopes, k.node_id, k.replaces, k.created_by, k.created_at,
k.expires_at, k.revoked_at, k.last_used_at
), changed AS (UPDATE ffmpeg_master.access_version v SET version = v.version + 1 WHERE (SELECT count(*) FROM revoked) > 0)
SELECT k.* FROM revoked k;

-- RotateApiKey
WITH old AS MATERIALIZED (
  SELECT k.* FROM ffmpeg_master.api_keys k
  WHERE k.id = $1 AND k.tenant_id = $2 AND k.revoked_at IS NULL AND (k.expires_at > now()) IS NOT FALSE
  FOR UPDATE
), made AS (
  INSERT INTO ffmpeg_master.api_keys AS k
    (id, prefix, digest, tenant_id, name, role, scopes, node_id, replaces, created_by, expires_at)
  SELECT $3::uuid, $4::text, $5::bytea, o.tenant_id, o.name, o.role, o.scopes, o.node_id, o.id, $6::text,
         now() + (o.expires_at - o.created_at)
  FROM old o
  ON CONFLICT (replaces) WHERE revoked_at IS NULL DO NOTHING
  RETURNING k.id, k.prefix, k.tenant_id, k.name, k.role, k.scopes, k.node_id, k.replaces, k.created_by, k.created_at,
k.expires_at, k.revoked_at, k.last_used_at
), ending AS (
  UPDATE ffmpeg_master.api_keys k
  SET expires_at = least(k.expires_at, now() + make_interval(secs => $7::float8))
  FROM made m WHERE k.id = m.replaces RETURNING k.id
), changed AS (UPDATE ffmpeg_master.access_version v SET version = v.version + 1 WHERE (SELECT count(*) FROM ending) > 0)
SELECT k.* FROM made k;

-- FindApiKeys
SELECT k.id, k.prefix, k.digest, k.tenant_id, k.role, k.scopes, k.node_id,
CASE WHEN k.revoked_at IS NOT NULL THEN 0
    WHEN k.expires_at IS NOT NULL THEN greatest(0, extract(epoch FROM k.expires_at - now()) * 1000)::float8 END AS remaining FROM ffmpeg_master.api_keys k WHERE k.prefix = ANY ($1::text[]);

-- ReadAccessVersion
SELECT v.version FROM ffmpeg_master.access_version v;

-- NoteKeyUse
UPDATE ffmpeg_master.api_keys k SET last_used_at = now()
WHERE k.id = ANY (ARRAY(
  SELECT u.id FROM ffmpeg_master.api_keys u
  WHERE u.id = ANY ($1::uuid[]) AND (u.last_used_at > now() - interval '30 s') IS NOT TRUE
  ORDER BY u.id FOR NO KEY UPDATE SKIP LOCKED
));
