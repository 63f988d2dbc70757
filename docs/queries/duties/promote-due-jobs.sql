-- Generated from src/duties/promote-due-jobs.repository.ts by `npm run docs`.

-- PromoteDueJobs
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE),
due AS MATERIALIZED (
  SELECT j.id, j.status FROM ffmpeg_master.jobs j CROSS JOIN fence
  WHERE j.due_at <= now() AND CASE WHEN j.status IN ('queued', 'retrying') THEN true END
  ORDER BY j.due_at LIMIT 1000 FOR UPDATE OF j SKIP LOCKED
),
promoted AS (
  UPDATE ffmpeg_master.jobs j
  SET status = 'queued', due_at = NULL, event_count = j.event_count + 1,
      event_order = greatest(j.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l))
  FROM due d WHERE j.id = d.id
  RETURNING j.id, d.status AS from_status, j.event_count, j.event_order, j.attempt, j.tenant_id, j.queue, j.tags, j.lane_id, j.paused
),
event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, xid, type, from_status, to_status, attempt, tenant_id, queue, tags, actor)
  SELECT (now() AT TIME ZONE 'UTC')::date, p.id, p.event_count, (p.event_order >> 48)::int, (p.event_order & 281474976710655)::text::xid8, 'promoted', p.from_status, 'queued', p.attempt,
         p.tenant_id, p.queue, p.tags, 'leader/' || $1::bigint
  FROM promoted p
  ORDER BY p.id
)
SELECT (SELECT count(*) FROM fence)::int AS fenced,
       (SELECT count(*) FROM promoted)::int AS rows,
       (SELECT coalesce(jsonb_object_agg(w.lane_id, w.jobs), '{}')
        FROM (SELECT lane_id, count(*) AS jobs FROM promoted WHERE NOT paused GROUP BY lane_id) w) AS lanes,
       (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS database_now,
       (SELECT (extract(epoch FROM min(j.due_at)) * 1000)::float8 FROM ffmpeg_master.jobs j WHERE j.due_at > now())
         AS next_due;
