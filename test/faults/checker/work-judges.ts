/** Nothing acknowledged is lost (I1), what was planned runs once (I8), a repeat is no second job (I9). */
import { isTerminal } from '../../../src/protocol/job-status.js';
import { eventsByJob, groupBy, operationsOf, violation, type Judge, type Violation } from './evidence.js';
import { lostReports } from './report-judges.js';

/** An acknowledged submit is there; where there was peace it ended. An acknowledged report, cancel or retry left its event. */
export const i1: Judge = (evidence) => {
  const { operations, jobs, events, quiet } = evidence;
  const found: Violation[] = [];
  const atTheEnd = new Map(jobs.map((job) => [job.id, job]));
  const typesOf = new Set(events.map(({ job_id, type }) => `${job_id} ${type}`));
  for (const { job_ids } of operationsOf(operations, 'submit')) {
    for (const id of job_ids) {
      const job = atTheEnd.get(id);
      if (!job) found.push(violation('I1', `job ${id} was acknowledged and is nowhere`));
      else if (quiet && !isTerminal(job.status))
        found.push(violation('I1', `job ${id} is still ${job.status} though there was peace`));
    }
  }
  for (const [kind, type] of [
    ['cancel', 'canceled'],
    ['retry', 'retried'],
  ] as const) {
    for (const { job_id, status } of operationsOf(operations, kind))
      if (status !== undefined && status < 300 && !typesOf.has(`${job_id} ${type}`))
        found.push(violation('I1', `the acknowledged ${kind} of job ${job_id} left no event`));
  }
  return [...found, ...lostReports(evidence)];
};

/** A job with run_at is not claimed before, and comes into its queue once. */
export const i8: Judge = ({ events, jobs, quiet }) => {
  const found: Violation[] = [];
  const logs = eventsByJob(events);
  for (const { id, run_at, status } of jobs) {
    if (run_at === null) continue;
    const log = logs.get(id) ?? [];
    const promoted = log.filter(({ type, from_status }) => type === 'promoted' && from_status === 'queued');
    if (promoted.length > 1) found.push(violation('I8', `job ${id} was promoted ${promoted.length} times`));
    // One that was committed only after its time came needed no promotion.
    const wasEarly = (log[0]?.at ?? Infinity) < run_at;
    if (quiet && wasEarly && promoted.length === 0 && status !== 'canceled')
      found.push(violation('I8', `job ${id} was due and never promoted`));
    const first = log.findIndex((event) => event === promoted[0]);
    const assigned = log.findIndex(({ type }) => type === 'assigned');
    // By the order of the log: an event bears the time at which its statement began, and a claim's may have begun
    // before the promotion that it then saw.
    if (assigned >= 0 && assigned < first)
      found.push(violation('I8', `job ${id} was claimed before its time`));
    if ((promoted[0]?.at ?? Infinity) < run_at)
      found.push(violation('I8', `job ${id} was promoted before its time`));
  }
  return found;
};

export const i9: Judge = ({ operations }) => {
  const found: Violation[] = [];
  const keyed = operationsOf(operations, 'submit').filter(({ key }) => key !== undefined);
  for (const [key, all] of groupBy(keyed, (one) => one.key)) {
    const made = all.filter(({ job_ids }) => job_ids.length > 0);
    if (new Set(made.map(({ job_ids }) => job_ids.join(' '))).size > 1)
      found.push(violation('I9', `the key ${key} made different jobs`));
    if (new Set(made.map(({ body }) => body)).size > 1)
      found.push(violation('I9', `the key ${key} was accepted with different bodies`));
  }
  return found;
};
