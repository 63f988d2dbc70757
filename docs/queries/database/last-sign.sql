-- Generated from src/database/last-sign.repository.ts by `npm run docs`.

-- ReadLastSign
SELECT (extract(epoch FROM p.last_seen_at) * 1000)::float8 AS at FROM ffmpeg_master.cluster_presence p;
