/** What people do to jobs: cancel and retry (src/jobs/transitions.repository.ts). */
import type { Action } from './facts.js';
import { step } from './facts.js';
import { settle } from './settle.js';
import { jobName } from './world.js';

/** LockJob and CancelJob. The lease stays, revoked, until the worker frees its slot. */
export const cancel: Action = function* (world) {
  if (world.left.cancels === 0) return;
  for (const [job, { live }] of world.jobs.entries()) {
    if (!live) continue;
    yield step(`somebody cancels ${jobName(job)}`, world, (next, facts) => {
      next.left.cancels -= 1;
      for (const lease of next.leases)
        if (lease.job === job && lease.token === live.token) lease.revoked = true;
      settle(next, job, { to: 'canceled', event: 'canceled', ending: 'canceled' }, facts);
    });
  }
};

/** RetryJob: back from history, with its counts at zero and its retry count raised. */
export const retry: Action = function* (world) {
  if (world.left.explicit_retries === 0) return;
  for (const [job, { archived }] of world.jobs.entries()) {
    if (archived?.status !== 'failed' && archived?.status !== 'canceled') continue;
    yield step(`somebody retries ${jobName(job)}`, world, (next, facts) => {
      next.left.explicit_retries -= 1;
      facts.push({ kind: 'event', job, from: archived.status, to: 'queued', event: 'retried' });
      const back = { status: 'queued' as const, node: null, token: null, failures: 0, releases: 0 };
      next.jobs[job] = {
        live: { ...archived, ...back, retry_count: archived.retry_count + 1, era: archived.era + 1 },
        archived: null,
      };
    });
  }
};
