-- Generated from src/commands/embedded-server.repository.ts by `npm run docs`.

-- CountOtherSessions
SELECT count(*)::integer AS sessions FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
