-- Up Migration

-- Where a job's last event stands in the stream of all jobs (event-order.sql.ts), so that none of its later ones stands before
-- it. Masters that do not know it insert 0, and leave it as it is: before all places, as if there were no such event.
ALTER TABLE ffmpeg_master.jobs ADD COLUMN event_order bigint NOT NULL DEFAULT 0;
ALTER TABLE ffmpeg_master.job_history ADD COLUMN event_order bigint NOT NULL DEFAULT 0;

-- Down Migration

ALTER TABLE ffmpeg_master.job_history DROP COLUMN event_order;
ALTER TABLE ffmpeg_master.jobs DROP COLUMN event_order;
