-- Up Migration

-- How long this one lease lasts, in milliseconds, where it is not workers.lease_duration: agents of ffmpeg-rtmp beat every
-- 30 s. A column that is NULL in all rows costs nothing, and masters that do not know it insert none.
ALTER TABLE ffmpeg_master.leases ADD COLUMN lease_ms integer;

-- Down Migration

ALTER TABLE ffmpeg_master.leases DROP COLUMN lease_ms;
