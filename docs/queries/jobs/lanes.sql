-- Generated from src/jobs/lanes.repository.ts by `npm run docs`.

-- FindLane
SELECT l.id, l.tenant_id, l.queue, l.priority, l.requirement, l.requirement_hash FROM ffmpeg_master.lanes l
WHERE l.tenant_id = $1 AND l.queue = $2 AND l.priority = $3 AND l.requirement_hash = $4;

-- CreateLane
WITH queue AS (
  INSERT INTO ffmpeg_master.queues (name) VALUES ($2) ON CONFLICT DO NOTHING
)
INSERT INTO ffmpeg_master.lanes AS l (tenant_id, queue, priority, requirement, requirement_hash)
SELECT $1, $2, $3, $5::jsonb, $4
WHERE $5::jsonb = '{}' OR
      (SELECT count(DISTINCT o.requirement_hash) FROM ffmpeg_master.lanes o
       WHERE o.tenant_id = $1 AND o.requirement_hash <> $4) < $6
ON CONFLICT DO NOTHING
RETURNING l.id, l.tenant_id, l.queue, l.priority, l.requirement, l.requirement_hash;

-- ListLanes
SELECT l.id, l.tenant_id, l.queue, l.priority, l.requirement, l.requirement_hash FROM ffmpeg_master.lanes l WHERE l.id = ANY($1::int[]);
