-- Generated from src/dispatch/arrivals.repository.ts by `npm run docs`.

-- LookForAnswers
SELECT i.ordinal - 1 AS ordinal, n.status = 'online' AND NOT n.draining AS able,
       i.claim_id = ANY (c.recent_claim_ids) OR l.found IS NOT NULL AS again
FROM (SELECT i.* FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[])) WITH ORDINALITY AS i(node_id, claim_id, ordinal)
      ORDER BY i.node_id) i
CROSS JOIN LATERAL (
  SELECT c.recent_claim_ids FROM ffmpeg_master.node_counters c WHERE c.node_id = i.node_id LIMIT 1 FOR UPDATE
) c
CROSS JOIN LATERAL (
  SELECT n.status, n.draining FROM ffmpeg_master.nodes n WHERE n.id = i.node_id LIMIT 1
) n
LEFT JOIN LATERAL (
  SELECT true AS found FROM ffmpeg_master.leases l WHERE l.node_id = i.node_id AND l.claim_id = i.claim_id LIMIT 1
) l ON true;

-- AnsweredLately
SELECT l.lease_token, l.node_id, l.claim_id FROM ffmpeg_master.leases l
WHERE l.lease_token > $1 ORDER BY l.lease_token DESC LIMIT 5000;

-- AnswerAgain
WITH held AS MATERIALIZED (
  SELECT l.lease_token FROM ffmpeg_master.leases l
  WHERE l.node_id = $1 AND l.claim_id = $2 AND NOT l.revoked
  ORDER BY l.lease_token FOR UPDATE
),
answered AS (
  UPDATE ffmpeg_master.leases l
  SET assigned_at = clock_timestamp(), expires_at = clock_timestamp() + coalesce(l.lease_ms, $3::float8) * interval '1 millisecond'
  WHERE l.lease_token = ANY (ARRAY(SELECT h.lease_token FROM held h))
  RETURNING l.job_id, l.lease_token
)
SELECT j.id, j.sequence_number, j.scenario, j.parameters, j.queue, j.priority, j.engine, j.attempt,
j.timeout_seconds, j.created_at, j.lease_token, j.lane_id, j.position
FROM answered l JOIN ffmpeg_master.jobs j ON j.id = l.job_id AND j.lease_token = l.lease_token
ORDER BY l.lease_token;
