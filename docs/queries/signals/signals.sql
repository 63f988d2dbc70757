-- Generated from src/signals/signals.repository.ts by `npm run docs`.

-- SendListenerBeat
SELECT pg_notify($1, $2);
