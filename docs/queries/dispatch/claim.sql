-- Generated from src/dispatch/claim.repository.ts by `npm run docs`.

-- ClaimJobs
WITH part AS MATERIALIZED (
  SELECT p.*, l.queue
  FROM (SELECT generate_series(1, (SELECT $8::int)) AS ordinal, unnest($3::int[]) AS lane_id, unnest($4::uuid[]) AS node_id,
               unnest($5::uuid[]) AS claim_id, unnest($6::int[]) AS wanted, unnest($9::int[]) AS lease_ms) p
  LEFT JOIN ffmpeg_master.lanes l ON l.id = p.lane_id
),
queue_counter AS MATERIALIZED (
  SELECT c.queue, c.running FROM ffmpeg_master.queue_counters c
  WHERE c.queue IN (SELECT p.queue FROM part p)
  ORDER BY c.queue FOR UPDATE OF c
),

node AS MATERIALIZED (
 SELECT c.node_id, c.recent_claim_ids, n.name, n.slots - c.running AS room,
        n.status = 'online' AND NOT n.draining AND (SELECT coalesce(l.timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8)
           AND l.relation_oid = 'ffmpeg_master.leadership'::regclass, true) FROM ffmpeg_master.leadership l) AS able
 FROM (SELECT DISTINCT s.node_id FROM part s WHERE (SELECT count(*) FROM queue_counter) >= 0 ORDER BY s.node_id) s
 CROSS JOIN LATERAL (
   SELECT c.node_id, c.running, c.recent_claim_ids FROM ffmpeg_master.node_counters c
   WHERE c.node_id = s.node_id FOR UPDATE
 ) c
 CROSS JOIN LATERAL (
   SELECT n.name, n.slots, n.status, n.draining FROM ffmpeg_master.nodes n WHERE n.id = c.node_id LIMIT 1
 ) n
),
known AS MATERIALIZED (
  SELECT p.*, n.name AS node_name, n.room, n.able,
         coalesce(p.claim_id = ANY (n.recent_claim_ids) OR l.found, false) AS again
  FROM part p
  LEFT JOIN node n ON n.node_id = p.node_id
  LEFT JOIN LATERAL (
    SELECT true AS found FROM ffmpeg_master.leases l
    WHERE l.node_id = p.node_id AND l.claim_id = p.claim_id LIMIT 1
  ) l ON true
),
fitted AS (
  SELECT k.*,
         CASE WHEN k.able AND NOT k.again
              THEN greatest(0, least(k.wanted, k.room - (sum(k.wanted) OVER node_so_far)::int + k.wanted))
              ELSE 0 END AS fits
  FROM known k
  WINDOW node_so_far AS (PARTITION BY k.node_id ORDER BY k.ordinal)
),
allowed AS MATERIALIZED (
  SELECT f.ordinal, f.lane_id, f.node_id, f.node_name, f.claim_id, f.wanted, f.lease_ms, f.able, f.again, f.fits,
         CASE WHEN q.name IS NULL OR q.paused THEN 0
              WHEN c.queue IS NULL THEN f.fits
              ELSE greatest(0, least(f.fits, q.max_running - c.running
                                             - (sum(f.fits) OVER queue_so_far)::int + f.fits)) END AS granted
  FROM fitted f
  LEFT JOIN ffmpeg_master.queues q ON q.name = f.queue
  LEFT JOIN queue_counter c ON c.queue = f.queue
  WINDOW queue_so_far AS (PARTITION BY f.queue ORDER BY f.ordinal)
),
locked AS MATERIALIZED (
  SELECT n.ordinals, w.ids, w.places
  FROM (
    SELECT a.lane_id, array_agg(a.ordinal) AS ordinals
    FROM (SELECT a.lane_id, a.ordinal, generate_series(1, a.granted) FROM allowed a WHERE a.granted > 0) a
    GROUP BY a.lane_id
  ) n
  JOIN unnest((SELECT $1::int[]), (SELECT $2::bigint[])) AS offer(lane_id, low_water) ON offer.lane_id = n.lane_id
  CROSS JOIN LATERAL (
    SELECT array_agg(w.id) AS ids, array_agg(w.place) AS places
    FROM (
      SELECT j.id, j.ctid AS place FROM ffmpeg_master.jobs j
      WHERE j.lane_id = n.lane_id AND j.position >= offer.low_water
        AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
      ORDER BY j.position, j.sequence_number
      LIMIT cardinality(n.ordinals) FOR UPDATE SKIP LOCKED
    ) w
  ) w
),
matched AS MATERIALIZED (
  SELECT u.id, u.place, u.lease_token, a.ordinal, a.node_id, a.node_name, a.claim_id, a.lease_ms
  FROM (
    SELECT u.*, nextval('ffmpeg_master.lease_tokens') AS lease_token
    FROM locked k CROSS JOIN LATERAL unnest(k.ids, k.places, k.ordinals) AS u(id, place, ordinal)
    WHERE u.id IS NOT NULL
  ) u
  JOIN allowed a ON a.ordinal = u.ordinal
),
taken AS (
  UPDATE ffmpeg_master.jobs j
  SET status = 'assigned', node_id = m.node_id, node_name = m.node_name, claim_id = m.claim_id,
      lease_token = m.lease_token, attempt = j.attempt + 1, assigned_at = now(), started_at = NULL,
      event_count = j.event_count + 1, event_order = greatest(j.event_order, (SELECT (l.generation::bigint << 48) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l))
  FROM matched m
  WHERE j.ctid = ANY (ARRAY(SELECT m.place FROM matched m)) AND j.id = m.id
    AND CASE WHEN j.status = 'queued' THEN NOT j.paused AND j.due_at IS NULL END
  RETURNING m.ordinal, m.lease_ms, j.node_id, j.claim_id, j.tenant_id, j.tags, j.event_count, j.event_order, j.id, j.sequence_number, j.scenario, j.parameters, j.queue, j.priority, j.engine, j.attempt,
j.timeout_seconds, j.created_at, j.lease_token, j.lane_id, j.position
),
counted_queue AS (
  UPDATE ffmpeg_master.queue_counters c SET running = c.running + t.taken
  FROM (SELECT queue, count(*)::int AS taken FROM taken GROUP BY queue) t
  WHERE c.queue = t.queue
),

leased AS (
 INSERT INTO ffmpeg_master.leases
   (lease_token, job_id, node_id, claim_id, queue, timeout_seconds, media_seconds, assigned_at, lease_ms, expires_at)
 SELECT t.lease_token, t.id, t.node_id, t.claim_id, t.queue, t.timeout_seconds,
        coalesce(t.parameters ->> 'duration_seconds', t.parameters ->> 'duration')::real, now(), t.lease_ms,
        clock_timestamp() + coalesce(t.lease_ms, $7::float8) * interval '1 millisecond'
 FROM taken t
),
counted_node AS (
 UPDATE ffmpeg_master.node_counters c
 SET running = c.running + t.taken,
     recent_claim_ids = (t.claim_ids || c.recent_claim_ids)[1:8]
 FROM (
   SELECT t.node_id, sum(t.taken)::int AS taken, array_agg(t.claim_id) AS claim_ids
   FROM (SELECT node_id, claim_id, count(*) AS taken FROM taken GROUP BY node_id, claim_id) t
   GROUP BY t.node_id
 ) t
 WHERE c.node_id = t.node_id
),
assigned_event AS (
 INSERT INTO ffmpeg_master.job_events
   (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token, tenant_id, queue, tags)
 SELECT (now() AT TIME ZONE 'UTC')::date, t.id, t.event_count, (t.event_order >> 48)::int, (t.event_order & 281474976710655)::text::xid8, 'assigned', 'queued',
        'assigned', t.attempt, t.node_id, t.lease_token, t.tenant_id, t.queue, t.tags
 FROM taken t WHERE true
)
SELECT a.ordinal, a.again, coalesce(a.able, false) AS able, a.wanted, a.fits, a.granted, j.id, j.sequence_number, j.scenario, j.parameters, j.queue, j.priority, j.engine, j.attempt,
j.timeout_seconds, j.created_at, j.lease_token, j.lane_id, j.position
FROM allowed a LEFT JOIN taken j ON j.ordinal = a.ordinal;

-- ForgetClaim
UPDATE ffmpeg_master.node_counters c SET recent_claim_ids = array_remove(c.recent_claim_ids, $2::uuid)
WHERE c.node_id = $1;

-- ReadLaneHeads
SELECT l.id AS lane_id, h.position AS head
FROM ffmpeg_master.lanes l
LEFT JOIN unnest($1::int[], $2::bigint[]) AS mark(lane_id, low_water) ON mark.lane_id = l.id
CROSS JOIN LATERAL (
  SELECT j.position FROM ffmpeg_master.jobs j
  WHERE j.lane_id = l.id AND j.position >= coalesce(mark.low_water, 0) AND j.status = 'queued' AND NOT j.paused
    AND j.due_at IS NULL
  ORDER BY j.position, j.sequence_number LIMIT 1
) h;

-- ReadLaneHeadsAboveMarks
SELECT l.id AS lane_id, h.position AS head
FROM ffmpeg_master.lanes l
LEFT JOIN unnest($1::int[], $2::bigint[]) AS mark(lane_id, low_water) ON mark.lane_id = l.id
CROSS JOIN LATERAL (
  SELECT j.position FROM ffmpeg_master.jobs j
  WHERE j.lane_id = l.id AND j.position >= coalesce(mark.low_water, 0) AND j.status = 'queued' AND NOT j.paused
    AND j.due_at IS NULL
  ORDER BY j.position, j.sequence_number LIMIT 1
) h;
