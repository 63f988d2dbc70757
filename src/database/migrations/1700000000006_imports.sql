-- Up Migration

-- Runs of `ffmpeg-master import`. A job that one of them brought is live, or in history from the day of the first on.
CREATE TABLE ffmpeg_master.imports (
  id       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  -- What was read, without its secrets.
  source   text NOT NULL,
  began_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  counts   jsonb
);

-- Tenants as ffmpeg-rtmp had them. Its jobs belonged to none in practice.
CREATE TABLE ffmpeg_master.imported_tenants (
  id          text PRIMARY KEY,
  tenant      jsonb NOT NULL,
  imported_at timestamptz NOT NULL DEFAULT now()
);

-- Down Migration

DROP TABLE ffmpeg_master.imported_tenants;
DROP TABLE ffmpeg_master.imports;
