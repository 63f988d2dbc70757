/**
 * What a leader does: a decision while it believes in its term, and a statement that arrives later, perhaps much
 * later and in another's term. Which duty it is for is open until it arrives, since a statement reads all afresh.
 */
import type { Action, Fact } from './facts.js';
import { step } from './facts.js';
import type { Rules } from './rules.js';
import { settle } from './settle.js';
import { isHeld, jobName, masterName, type Decision, type World } from './world.js';

/** Time passes: a lease runs out. */
export const expire: Action = function* (world) {
  for (const [index, { expired, job, token }] of world.leases.entries()) {
    if (expired) continue;
    yield step(`the lease of ${jobName(job)}, token ${token}, runs out`, world, (next) => {
      next.leases[index]!.expired = true;
    });
  }
};

export const decide: Action = function* (world, { rules }) {
  for (const [index, { term, decision }] of world.masters.entries()) {
    if (!term || decision) continue;
    const seen = rules.sweepRecheck ? [] : silentJobs(world);
    yield step(`${masterName(index)} decides on a duty of epoch ${term.epoch}`, world, (next) => {
      next.masters[index]!.decision = { ...term, seen };
    });
  }
};

/** RequeueExpiredLeases arrives. */
export const sweep: Action = function* (world, { rules, bounds }) {
  for (const { index, decision } of arriving(world)) {
    const passes = isCurrent(world, rules, index, decision);
    const jobs = passes ? (rules.sweepRecheck ? silentJobs(world) : decision.seen) : [];
    const revoked = passes && world.leases.some((lease) => lease.expired && lease.revoked);
    const what = !passes
      ? 'is fenced out'
      : jobs.length > 0
        ? `ends ${jobs.map(jobName).join(', ')}`
        : 'ends nothing';
    yield step(
      `the sweep of ${masterName(index)}, epoch ${decision.epoch}, ${what}`,
      world,
      (next, facts) => {
        next.masters[index]!.decision = null;
        if (revoked) next.leases = next.leases.filter((lease) => !(lease.expired && lease.revoked));
        for (const job of jobs) requeue(next, job, bounds.max_retries, facts);
        if (revoked || facts.length > 0) facts.push({ kind: 'duty', ordinal: decision.ordinal });
      },
    );
  }
};

/** The CTEs `ended` and `freed`. */
function requeue(next: World, job: number, max_retries: number, facts: Fact[]): void {
  const row = next.jobs[job]?.live;
  if (!row) return;
  const final = row.failures >= max_retries;
  next.leases = next.leases.filter((lease) => lease.job !== job || lease.token !== row.token);
  settle(
    next,
    job,
    {
      to: final ? 'failed' : 'queued',
      event: 'lease_expired',
      ending: 'lease_expired',
      change: { failures: row.failures + 1, releases: 0, retry_count: row.retry_count + (final ? 0 : 1) },
    },
    facts,
  );
}

/** PromoteDueJobs arrives; by then every backoff may be over. */
export const promote: Action = function* (world, { rules }) {
  for (const { index, decision } of arriving(world)) {
    const due = [...world.jobs.keys()].filter((job) => world.jobs[job]?.live?.status === 'retrying');
    if (due.length === 0 || !isCurrent(world, rules, index, decision)) continue;
    const label = `${masterName(index)}, epoch ${decision.epoch}, promotes ${due.map(jobName).join(', ')}`;
    yield step(label, world, (next, facts) => {
      next.masters[index]!.decision = null;
      facts.push({ kind: 'duty', ordinal: decision.ordinal });
      for (const job of due) {
        facts.push({ kind: 'event', job, from: 'retrying', to: 'queued', event: 'promoted' });
        next.jobs[job]!.live!.status = 'queued';
      }
    });
  }
};

/** Jobs whose lease ran out while they were held by it: the CTEs `silent` and `found`. */
function silentJobs(world: World): number[] {
  return world.leases.flatMap(({ job, token, expired, revoked }) => {
    const row = world.jobs[job]?.live;
    return expired && !revoked && row && isHeld(row) && row.token === token ? [job] : [];
  });
}

function* arriving(world: World): Generator<{ index: number; decision: Decision }> {
  for (const [index, { decision }] of world.masters.entries()) if (decision) yield { index, decision };
}

/** FENCE of src/leadership/fence.sql.ts: the pair (epoch, master id). */
function isCurrent({ leadership }: World, rules: Rules, master: number, { epoch }: Decision): boolean {
  return !rules.epochFence || (leadership.epoch === epoch && leadership.master === master);
}
