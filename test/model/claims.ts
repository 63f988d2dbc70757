/**
 * How workers get attempts. Each asks at once, under an id by number, for the next one when a claim is answered; the
 * request may arrive late, repeatedly or never, which is how a busy worker looks, or a paused one. Slots
 * are not modelled. What waits is selected by one snapshot and taken later: PostgreSQL locks the row in between
 * (SKIP LOCKED), which the model leaves out, so that what it shows holds by the re-check alone.
 */
import type { Action } from './facts.js';
import { step } from './facts.js';
import { jobName, workerName, type Selection, type World } from './world.js';

/**
 * The worker goes on under a new claim id: its claim is answered empty, or it gives it up with its connection
 * cut, and the request arrives all the same.
 */
export const giveUp: Action = function* (world) {
  for (const [node, { claim, dead }] of world.workers.entries()) {
    if (dead) continue;
    // Answered before, and what it was given has ended: FindAttempts finds nothing.
    const empty = answersOf(world, node, claim).some(({ end }) => end !== null);
    if (!empty && world.left.abandoned_claims === 0) continue;
    const what = empty ? 'is told that nothing is left of' : 'gives up';
    yield step(`${workerName(node)} ${what} claim ${claim}`, world, (next) => {
      next.workers[node]!.claim += 1;
      if (!empty) next.left.abandoned_claims -= 1;
    });
  }
};

/** ClaimJobs up to the CTE `locked`: a request arrives and selects a waiting job. */
export const select: Action = function* (world, { rules, bounds }) {
  if (world.selected.length >= bounds.claims_in_flight) return;
  for (const [node, worker] of world.workers.entries()) {
    for (let claim = 1; claim <= worker.claim; claim += 1) {
      if (rules.claimId && answersOf(world, node, claim).length > 0) continue;
      for (const [job, { live }] of world.jobs.entries()) {
        if (live?.status !== 'queued' || isSelected(world, { node, claim, job })) continue;
        yield step(`claim ${claim} of ${workerName(node)} selects ${jobName(job)}`, world, (next) => {
          next.selected.push({ node, claim, job });
        });
      }
    }
  }
};

/**
 * ClaimJobs from the CTE `taken` on, with `begin` of src/jobs/begin.sql.ts: under the node's counter, where
 * `recent_claim_ids` tells of an answered claim, the job gets its token, its lease and its event.
 */
export const take: Action = function* (world, { rules }) {
  for (const [place, selection] of world.selected.entries()) {
    const { node, claim, job } = selection;
    const row = world.jobs[job]?.live;
    const again = rules.claimId && answersOf(world, node, claim).length > 0;
    const granted = row && !again && (!rules.stateRecheck || row.status === 'queued');
    const token = rules.tokenFromSequence ? world.attempts.length + 1 : (row?.retry_count ?? 0) + 1;
    const what = granted ? `takes ${jobName(job)} → token ${token}` : 'takes nothing';
    yield step(`claim ${claim} of ${workerName(node)} ${what}`, world, (next, facts) => {
      next.selected.splice(place, 1);
      const taken = next.jobs[job]?.live;
      if (!granted || !taken) return;
      const attempt = next.attempts.length;
      facts.push(
        { kind: 'event', job, from: taken.status, to: 'assigned', event: 'assigned' },
        { kind: 'given', attempt },
      );
      Object.assign(taken, { status: 'assigned', node, token, attempt });
      next.leases.push({ job, node, token, expired: false, revoked: false, attempt });
      next.attempts.push({
        ...{ job, node, claim, token, era: taken.era },
        ...{ heard: false, said: null, end: null, accepted: false },
      });
    });
  }
};

/**
 * The answer arrives, the first one or that of a repeat (FindAttempts). A worker that no longer waits for this
 * claim does not hear it: the connection is closed.
 */
export const hear: Action = function* (world) {
  for (const [index, attempt] of world.attempts.entries()) {
    const worker = world.workers[attempt.node];
    if (attempt.heard || worker?.claim !== attempt.claim || worker.dead) continue;
    yield step(
      `${workerName(attempt.node)} hears that it has ${jobName(attempt.job)}, token ${attempt.token}`,
      world,
      (next) => {
        next.workers[attempt.node]!.claim += 1;
        next.attempts[index]!.heard = true;
      },
    );
  }
};

function answersOf({ attempts }: World, node: number, claim: number) {
  return attempts.filter((attempt) => attempt.node === node && attempt.claim === claim);
}

function isSelected({ selected }: World, { node, claim, job }: Selection): boolean {
  return selected.some((one) => one.node === node && one.claim === claim && one.job === job);
}
