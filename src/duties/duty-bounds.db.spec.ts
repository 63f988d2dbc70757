/** The next leader's first statement waits for what a duty has under way: each one is measured at its full size. */
import { expect, it } from 'vitest';
import { useDutyStage } from '../../test/support/duty-stage.js';
import { Settings } from '../config/settings.js';
import { backoffTable } from '../jobs/backoff.js';
import { PartitionsAndPruneRepository, PRUNED_A_STATEMENT } from './partitions-and-prune.repository.js';
import { PROMOTIONS_A_STATEMENT, PromoteDueJobsRepository } from './promote-due-jobs.repository.js';
import { LEASES_A_STATEMENT, RequeueExpiredLeasesRepository } from './requeue-expired-leases.repository.js';
import { TIMEOUTS_A_STATEMENT, TimeOutJobsRepository } from './time-out-jobs.repository.js';

/** Milliseconds that a duty's statement may take by design; its time-out is 1,000. */
const BOUND = 100;

const stage = useDutyStage();
const { timeouts, workers, retry } = new Settings();
const lease = workers.lease_duration;

const STATEMENTS: Record<string, { rows: number; fill: () => Promise<unknown>; run: () => Promise<number> }> =
  {
    RequeueExpiredLeases: {
      rows: LEASES_A_STATEMENT,
      fill: () => stage.insertAttempts(LEASES_A_STATEMENT, -1, -5),
      run: async () =>
        (await new RequeueExpiredLeasesRepository(stage.statements).requeue(stage.term, lease)).rows,
    },
    TimeOutJobs: {
      rows: TIMEOUTS_A_STATEMENT,
      fill: () => stage.insertAttempts(TIMEOUTS_A_STATEMENT, 30, -20),
      run: async () =>
        (
          await new TimeOutJobsRepository(stage.statements).timeOut(
            stage.term,
            timeouts,
            lease,
            backoffTable(retry),
          )
        ).rows,
    },
    PromoteDueJobs: {
      rows: PROMOTIONS_A_STATEMENT,
      fill: () =>
        stage.sql(
          `INSERT INTO ffmpeg_master.jobs (id, scenario, parameters, queue, priority, requirements, engine, status,
                                         lane_id, position, max_retries, due_at)
         SELECT gen_random_uuid(), 's', '{}', 'default', 'medium', '{}', 'auto', 'retrying', n % 9, n, 3, now()
         FROM generate_series(1, $1) n`,
          [PROMOTIONS_A_STATEMENT],
        ),
      run: async () => (await new PromoteDueJobsRepository(stage.statements).promote(stage.term)).rows,
    },
    PruneIdempotencyKeys: {
      rows: PRUNED_A_STATEMENT,
      fill: () =>
        stage.sql(
          `INSERT INTO ffmpeg_master.idempotency_keys (tenant_id, route, key, body_hash, job_ids, created_at)
         SELECT 'default', 'POST /jobs', 'k' || n, '\\x00', '{}', now() - interval '2 days'
         FROM generate_series(1, $1) n`,
          [PRUNED_A_STATEMENT],
        ),
      run: () =>
        new PartitionsAndPruneRepository(stage.pool, stage.statements).pruneIdempotencyKeys(stage.term),
    },
  };

it.each(Object.keys(STATEMENTS))('%s ends in time with as many rows as it takes', async (name) => {
  const { rows, fill, run } = STATEMENTS[name]!;
  const took: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    await fill();
    const began = performance.now();
    expect(await run()).toBe(rows);
    took.push(performance.now() - began);
  }
  const median = took.sort((a, b) => a - b)[2]!;
  process.stdout.write(
    `${name}: ${rows} rows in ${median.toFixed(0)} ms, the slowest ${took[4]!.toFixed(0)} ms\n`,
  );
  // Machines that run tests are shared.
  expect(median).toBeLessThan(3 * BOUND);
});
