import { beforeEach, expect, it } from 'vitest';
import { useDutyStage } from '../../test/support/duty-stage.js';
import { Settings } from '../config/settings.js';
import { Metrics } from '../metrics/metrics.js';
import { EndedJobs } from './ended-jobs.duty.js';
import { EndedJobsRepository } from './ended-jobs.repository.js';

const stage = useDutyStage();
let metrics: Metrics;
let duty: EndedJobs;

beforeEach(async () => {
  metrics = new Metrics();
  duty = new EndedJobs(new EndedJobsRepository(stage.pool), new Settings(), metrics);
  await stage.sql('TRUNCATE ffmpeg_master.job_history');
});

const lines = async () =>
  (await metrics.registry.metrics())
    .split('\n')
    .filter((line) => /^ffrtmp_job/.test(line))
    .sort();

/** It ended so many seconds ago, had waited for two and run for eight. */
async function ended(status: string, engine: string, ago: number, attempts = true): Promise<void> {
  await stage.sql(
    `INSERT INTO ffmpeg_master.job_history
       (id, tenant_id, scenario, parameters, queue, priority, requirements, tags, max_retries, status, engine, lane_id, position, sequence_number, created_at, assigned_at, started_at,
        completed_at, archived_on)
     SELECT gen_random_uuid(), 'default', 'x', '{}', 'default', 'medium', '{}', '{}', 3, $1, $2, 1, 1, nextval('ffmpeg_master.job_sequence_numbers'),
            t.at - interval '10 s', CASE WHEN $4 THEN t.at - interval '8 s' END, CASE WHEN $4 THEN t.at - interval '8 s' END,
            t.at, (t.at AT TIME ZONE 'UTC')::date
     FROM (SELECT now() - $3 * interval '1 s' AS at) t`,
    [status, engine, ago, attempts],
  );
}

it('counts what ended since it last looked, once', async () => {
  await ended('completed', 'ffmpeg', 60);
  await duty.run();
  expect(await lines()).toEqual([]);
  await stage.sql('TRUNCATE ffmpeg_master.job_history');
  // As if it had looked a minute ago.
  Object.assign(duty, { counted: new Date(Date.now() - 60_000) });
  await ended('completed', 'auto', 30);
  await ended('completed', 'gstreamer', 30);
  await ended('failed', 'ffmpeg', 30);
  await ended('canceled', 'auto', 30, false);
  await duty.run();
  const counted = [
    'ffrtmp_job_duration_seconds 8',
    'ffrtmp_job_wait_time_seconds 2',
    'ffrtmp_jobs_completed_by_engine{engine="ffmpeg"} 1',
    'ffrtmp_jobs_completed_by_engine{engine="gstreamer"} 1',
    'ffrtmp_jobs_total{state="canceled"} 1',
    'ffrtmp_jobs_total{state="completed"} 2',
    'ffrtmp_jobs_total{state="failed"} 1',
  ];
  expect(await lines()).toEqual(counted);
  await duty.run();
  expect(await lines()).toEqual(counted);
});

it('leaves what may still commit for the next time, and shows no averages once it leads no more', async () => {
  Object.assign(duty, { counted: new Date(Date.now() - 60_000) });
  await ended('completed', 'ffmpeg', 30);
  await ended('completed', 'ffmpeg', 1);
  await duty.run();
  expect(await lines()).toContain('ffrtmp_jobs_total{state="completed"} 1');
  duty.onTerm()();
  expect(await lines()).toEqual([
    'ffrtmp_jobs_completed_by_engine{engine="ffmpeg"} 1',
    'ffrtmp_jobs_total{state="completed"} 1',
  ]);
});
