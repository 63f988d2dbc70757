-- Up Migration

-- Keys that masters made. Of a key only its readable prefix and its SHA-256 are kept.
CREATE TABLE ffmpeg_master.api_keys (
  id           uuid PRIMARY KEY,
  prefix       text NOT NULL UNIQUE,
  digest       bytea NOT NULL CHECK (length(digest) = 32),
  tenant_id    text NOT NULL,
  name         text NOT NULL,
  role         text NOT NULL,
  -- Permissions of the role that this key has; NULL means all of them.
  scopes       text[],
  -- The key may act for this node alone.
  node_id      uuid,
  -- The key that this one took the place of.
  replaces     uuid,
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  -- To the minute; written by the masters together, and no index holds it.
  last_used_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX api_keys_tenant ON ffmpeg_master.api_keys (tenant_id, id);
-- One key at a time takes the place of another, however many rotations run at once.
CREATE UNIQUE INDEX api_keys_replaces ON ffmpeg_master.api_keys (replaces) WHERE revoked_at IS NULL;

-- Rises with each change of what a known key may do. Masters look at it each second, in case a signal was lost.
CREATE TABLE ffmpeg_master.access_version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO ffmpeg_master.access_version DEFAULT VALUES;

-- Down Migration

DROP TABLE ffmpeg_master.access_version, ffmpeg_master.api_keys;
