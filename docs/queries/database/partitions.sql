-- Generated from src/database/partitions.repository.ts by `npm run docs`.

-- MakePartitions
SELECT ffmpeg_master.make_partitions($1) AS made;
