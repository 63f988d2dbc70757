-- Generated from src/duties/fenced-statements.repository.ts by `npm run docs`.

-- BoundDuty
SELECT set_config('statement_timeout', '1000', true), set_config('lock_timeout', '500', true),
       set_config('idle_in_transaction_session_timeout', '500', true);

-- HoldFence
WITH fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE) SELECT count(*)::int AS fenced FROM fence;
