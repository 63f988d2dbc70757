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
