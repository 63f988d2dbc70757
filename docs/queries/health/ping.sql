-- Generated from src/health/ping.repository.ts by `npm run docs`.

-- HealthPing
SELECT 1;
