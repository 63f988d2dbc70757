-- Generated from src/dispatch/claim.repository.ts by `npm run docs`.

-- ClaimJobs
WITH slot AS MATERIALIZED (
  SELECT s.ordinal, s.lane_id, s.node_id, s.claim_id, l.queue
  FROM unnest($3::int[], $4::uuid[], $5::uuid[]) WITH ORDINALITY AS s(lane_id, node_id, claim_id, ordinal)
  LEFT JOIN ffmpeg_master.lanes l ON l.id = s.lane_id
),
queue_counter AS MATERIALIZED (
  SELECT c.queue, c.running FROM ffmpeg_master.queue_counters c
  WHERE c.queue IN (SELECT s.queue FROM slot s)
  ORDER BY c.queue FOR UPDATE OF c
),
node_counter AS MATERIALIZED (
  SELECT c.node_id, c.running, c.recent_claim_ids FROM ffmpeg_master.node_counters c
  WHERE c.node_id = ANY($4::uuid[]) AND (SELECT count(*) FROM queue_counter) >= 0
  ORDER BY c.node_id FOR UPDATE OF c
),
answered AS MATERIALIZED (
  SELECT DISTINCT s.node_id, s.claim_id
  FROM (SELECT DISTINCT node_id, claim_id FROM slot) s
  JOIN ffmpeg_master.leases l ON l.node_id = s.node_id AND l.claim_id = s.claim_id
  UNION
  SELECT c.node_id, unnest(c.recent_claim_ids) FROM node_counter c
),
able AS MATERIALIZED (
  SELECT s.*, n.name AS node_name,
         row_number() OVER (PARTITION BY s.node_id ORDER BY s.ordinal) <= n.slots - c.running AS roomy
  FROM slot s
  JOIN node_counter c ON c.node_id = s.node_id
  JOIN ffmpeg_master.nodes n ON n.id = s.node_id AND n.status = 'online' AND NOT n.draining
  WHERE NOT EXISTS (SELECT FROM answered a WHERE a.node_id = s.node_id AND a.claim_id = s.claim_id)
),
allowed AS MATERIALIZED (
  SELECT a.*, row_number() OVER (PARTITION BY a.lane_id ORDER BY a.ordinal) AS nth
  FROM (
    SELECT a.*, row_number() OVER (PARTITION BY a.queue ORDER BY a.ordinal) AS nth_of_queue
    FROM able a JOIN ffmpeg_master.queues q ON q.name = a.queue AND NOT q.paused
    WHERE a.roomy
  ) a
  LEFT JOIN queue_counter c ON c.queue = a.queue
  LEFT JOIN ffmpeg_master.queues q ON q.name = a.queue
  WHERE c.queue IS NULL OR a.nth_of_queue <= q.max_running - c.running
),
locked AS MATERIALIZED (
  SELECT ARRAY(
    SELECT w.id
    FROM (SELECT a.lane_id, count(*) AS slots FROM allowed a GROUP BY a.lane_id) n
    JOIN unnest($1::int[], $2::bigint[]) AS offer(lane_id, low_water) ON offer.lane_id = n.lane_id
    CROSS JOIN LATERAL (
      SELECT j.id FROM ffmpeg_master.jobs j
      WHERE j.lane_id = n.lane_id AND j.position >= offer.low_water
        AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
      ORDER BY j.position, j.sequence_number
      LIMIT n.slots FOR UPDATE SKIP LOCKED
    ) w
  ) AS ids
),
picked AS MATERIALIZED (
  SELECT j.id, j.lane_id,
         row_number() OVER (PARTITION BY j.lane_id ORDER BY j.position, j.sequence_number) AS nth
  FROM ffmpeg_master.jobs j WHERE j.id = ANY((SELECT ids FROM locked)::uuid[])
),
matched AS MATERIALIZED (
  SELECT p.id, a.ordinal, a.node_id, a.node_name, a.claim_id,
         nextval('ffmpeg_master.lease_tokens') AS lease_token
  FROM picked p JOIN allowed a ON a.lane_id = p.lane_id AND a.nth = p.nth
),
taken AS (
  UPDATE ffmpeg_master.jobs j
  SET status = 'assigned', node_id = m.node_id, node_name = m.node_name, claim_id = m.claim_id,
      lease_token = m.lease_token, attempt = j.attempt + 1, assigned_at = now(), started_at = NULL,
      event_count = j.event_count + 1
  FROM matched m
  WHERE j.id = m.id AND CASE WHEN j.status = 'queued' THEN NOT j.paused AND j.due_at IS NULL END
  RETURNING j.*, m.ordinal
),
leased AS (
  INSERT INTO ffmpeg_master.leases
    (lease_token, job_id, node_id, claim_id, queue, timeout_seconds, media_seconds, assigned_at, expires_at)
  SELECT t.lease_token, t.id, t.node_id, t.claim_id, t.queue, t.timeout_seconds,
         coalesce(t.parameters ->> 'duration_seconds', t.parameters ->> 'duration')::real, now(),
         clock_timestamp() + $6::float8 * interval '1 millisecond'
  FROM taken t
),
counted_queue AS (
  UPDATE ffmpeg_master.queue_counters c SET running = c.running + t.taken
  FROM (SELECT queue, count(*)::int AS taken FROM taken GROUP BY queue) t
  WHERE c.queue = t.queue AND c.queue IN (SELECT queue FROM queue_counter)
),
counted_node AS (
  UPDATE ffmpeg_master.node_counters c
  SET running = c.running + t.taken,
      recent_claim_ids = (t.claim_ids || c.recent_claim_ids)[1:8]
  FROM (SELECT node_id, count(*)::int AS taken, array_agg(DISTINCT claim_id) AS claim_ids
        FROM taken GROUP BY node_id) t
  WHERE c.node_id = t.node_id AND c.node_id IN (SELECT node_id FROM node_counter)
),
event AS (
  INSERT INTO ffmpeg_master.job_events
    (day, job_id, n, generation, type, from_status, to_status, attempt, node_id, lease_token, tenant_id, queue, tags)
  SELECT (now() AT TIME ZONE 'UTC')::date, t.id, t.event_count, l.generation, 'assigned', 'queued', 'assigned', t.attempt, t.node_id,
         t.lease_token, t.tenant_id, t.queue, t.tags
  FROM taken t CROSS JOIN ffmpeg_master.leadership l
)
SELECT s.ordinal,
       CASE WHEN j.id IS NOT NULL THEN 'taken'
            WHEN r.claim_id IS NOT NULL THEN 'again'
            WHEN b.ordinal IS NULL THEN 'node'
            WHEN NOT b.roomy THEN 'full'
            WHEN s.lane_id IS NULL THEN 'lane'
            WHEN a.ordinal IS NULL THEN 'queue'
            ELSE 'lane' END AS outcome,
       CASE WHEN j.id IS NOT NULL THEN jsonb_build_object(
'id', j.id, 'sequence_number', j.sequence_number, 'scenario', j.scenario, 'parameters', j.parameters,
'queue', j.queue, 'priority', j.priority, 'engine', j.engine, 'attempt', j.attempt,
'timeout_seconds', j.timeout_seconds,
'created_at', to_char(j.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'lease_token', j.lease_token,
'lane_id', j.lane_id, 'position', j.position) END AS job
FROM slot s
LEFT JOIN taken j ON j.ordinal = s.ordinal
LEFT JOIN answered r ON r.node_id = s.node_id AND r.claim_id = s.claim_id
LEFT JOIN able b ON b.ordinal = s.ordinal
LEFT JOIN allowed a ON a.ordinal = s.ordinal
ORDER BY s.ordinal;

-- FindAttempts
SELECT jsonb_build_object(
'id', j.id, 'sequence_number', j.sequence_number, 'scenario', j.scenario, 'parameters', j.parameters,
'queue', j.queue, 'priority', j.priority, 'engine', j.engine, 'attempt', j.attempt,
'timeout_seconds', j.timeout_seconds,
'created_at', to_char(j.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'lease_token', j.lease_token,
'lane_id', j.lane_id, 'position', j.position) AS job
FROM ffmpeg_master.leases l JOIN ffmpeg_master.jobs j ON j.id = l.job_id AND j.lease_token = l.lease_token
WHERE l.node_id = $1 AND l.claim_id = $2 AND NOT l.revoked
ORDER BY l.lease_token;

-- ForgetClaim
UPDATE ffmpeg_master.node_counters c SET recent_claim_ids = array_remove(c.recent_claim_ids, $2::uuid)
WHERE c.node_id = $1;

-- ReadLaneHeads
SELECT l.id AS lane_id, h.position AS head
FROM ffmpeg_master.lanes l
CROSS JOIN LATERAL (
  SELECT j.position FROM ffmpeg_master.jobs j
  WHERE j.lane_id = l.id AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
  ORDER BY j.position, j.sequence_number LIMIT 1
) h;
