-- Generated from src/dispatch/held-attempts.repository.ts by `npm run docs`.

-- ListHeldAttempts
SELECT i.node_id, l.*
FROM (SELECT DISTINCT i.node_id FROM unnest((SELECT $1::uuid[])) AS i(node_id)) i
CROSS JOIN LATERAL (
  SELECT l.job_id, l.lease_token, l.claim_id, l.revoked, l.clock_from IS NOT NULL AS begun,
         1000 * extract(epoch FROM clock_timestamp() - l.assigned_at)::float8 AS age,
         l.timeout_seconds IS NULL AS unlimited
  FROM ffmpeg_master.leases l WHERE l.node_id = i.node_id ORDER BY l.lease_token OFFSET 0
) l;
