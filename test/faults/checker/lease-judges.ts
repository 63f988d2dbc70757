/** Leases: never two at once (I2), an old one changes nothing (I3), no more of them than there is room (I7). */
import { attemptsOf, handOutsOf } from './attempts.js';
import { eventsByJob, groupBy, operationsOf, violation, type Judge, type Violation } from './evidence.js';
import { falseAnswers } from './report-judges.js';

/** Tokens of a job rise, in the log and in the order of the answers; no two leases are believed in at once. */
export const i2: Judge = ({ operations, events }) => {
  const found: Violation[] = [];
  for (const [job, log] of eventsByJob(events)) {
    const tokens = log.filter(({ type }) => type === 'assigned').map(({ lease_token }) => lease_token ?? 0);
    for (const [k, token] of tokens.entries())
      if (k > 0 && token <= (tokens[k - 1] ?? 0))
        found.push(violation('I2', `job ${job} was assigned with token ${token} after ${tokens[k - 1]}`));
  }
  const byAttempt = attemptsOf({ operations, events });
  for (const { job_id, lease_token, handOuts } of [...byAttempt.values()].flat()) {
    if (new Set(handOuts.map(({ claim_id, node_id }) => `${node_id} ${claim_id}`)).size > 1)
      found.push(violation('I2', `token ${lease_token} of job ${job_id} went to two claims`));
  }
  for (const [job, attempts] of byAttempt) {
    for (const [k, later] of attempts.entries()) {
      for (const earlier of attempts.slice(0, k)) {
        // It was given, at the latest, when its first answer had come.
        const given = later.handOuts[0]?.end ?? Infinity;
        if (given < earlier.believedUntil)
          found.push(
            violation(
              'I2',
              `job ${job}: token ${later.lease_token} was given while ${earlier.lease_token} still held`,
            ),
          );
        if (earlier.handOuts.some(({ begin }) => begin > given))
          found.push(
            violation(
              'I2',
              `job ${job}: token ${earlier.lease_token} was given out after ${later.lease_token}`,
            ),
          );
      }
    }
  }
  for (const { doubled } of operationsOf(operations, 'instant'))
    for (const job of doubled) found.push(violation('I2', `job ${job} had two valid leases at one instant`));
  return found;
};

/** An old token changes nothing: no acceptance, no extension and no event once a newer one was out. */
export const i3: Judge = (evidence) => {
  const { operations, events } = evidence;
  const found: Violation[] = [];
  for (const [job, log] of eventsByJob(events)) {
    let newest: number | null = null;
    for (const { n, type, lease_token } of log) {
      if (type === 'assigned') newest = lease_token;
      else if (newest !== null && lease_token !== null && lease_token !== newest)
        found.push(
          violation('I3', `job ${job}, n ${n}: ${type} with token ${lease_token} after ${newest} was given`),
        );
    }
  }
  const given = groupBy(handOutsOf(operations), ({ job_id }) => job_id);
  const newerThan = (job: string, token: number, before: number) =>
    given.get(job)?.find(({ lease_token, end }) => lease_token > token && end < before)?.lease_token;
  for (const report of operationsOf(operations, 'report')) {
    for (const { job_id, lease_token, outcome } of report.results) {
      const newer = outcome === 'accepted' && newerThan(job_id, lease_token, report.begin);
      if (newer)
        found.push(
          violation('I3', `a report of job ${job_id} with token ${lease_token} passed after ${newer}`),
        );
    }
  }
  for (const beat of operationsOf(operations, 'heartbeat')) {
    for (const { job_id, lease_token, lease } of beat.attempts) {
      const newer = lease === 'extended' && newerThan(job_id, lease_token, beat.begin);
      if (newer)
        found.push(
          violation('I3', `a heartbeat of job ${job_id} with token ${lease_token} passed after ${newer}`),
        );
    }
  }
  const accepted = operationsOf(operations, 'report')
    .flatMap(({ results }) => results)
    .filter(({ outcome }) => outcome === 'accepted');
  for (const [token, all] of groupBy(accepted, ({ lease_token }) => lease_token))
    if (all.length > 1) found.push(violation('I3', `token ${token} had ${all.length} accepted reports`));
  return [...found, ...falseAnswers(evidence)];
};

export const i7: Judge = ({ operations }) => {
  const found: Violation[] = [];
  for (const { nodes, queues } of operationsOf(operations, 'instant')) {
    for (const { node_id, running, slots } of nodes)
      if (running > slots)
        found.push(violation('I7', `node ${node_id} had ${running} leases for ${slots} slots`));
    for (const { queue, running, max_running } of queues)
      if (running > max_running)
        found.push(violation('I7', `queue ${queue} had ${running} running, its limit is ${max_running}`));
  }
  return found;
};
