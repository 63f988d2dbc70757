/** The event log: legal steps (I5), bounded attempts that end once (I6), no gap, in the log or on the stream (I10). */
import { isLegal } from '../../../src/jobs/state-machine.js';
import {
  eventsByJob,
  groupBy,
  operationsOf,
  violation,
  type Judge,
  type JobEvent,
  type Violation,
} from './evidence.js';

export const i5: Judge = ({ events }) => {
  const found: Violation[] = [];
  for (const [job, log] of eventsByJob(events)) {
    let last: JobEvent | undefined;
    for (const event of log) {
      if (!isLegal(event.from_status, event.to_status, event.type))
        found.push(
          violation(
            'I5',
            `job ${job}, n ${event.n}: ${event.from_status} → ${event.to_status} by ${event.type}`,
          ),
        );
      if (last && event.from_status !== last.to_status)
        found.push(
          violation('I5', `job ${job}, n ${event.n}: it was ${last.to_status}, not ${event.from_status}`),
        );
      last = event;
    }
  }
  return found;
};

/** Attempts since the last explicit retry are bounded, and each ended once. */
export const i6: Judge = ({ events, jobs, quiet }) => {
  const found: Violation[] = [];
  const retries = new Map(jobs.map(({ id, max_retries }) => [id, max_retries]));
  for (const [job, log] of eventsByJob(events)) {
    let ended = 0;
    let released = 0;
    let open = false;
    for (const { type, from_status, to_status, n } of log) {
      if (type === 'retried') ended = released = 0;
      if (type === 'assigned') {
        if (open)
          found.push(violation('I6', `job ${job}, n ${n}: an attempt began before the last one ended`));
        open = true;
      }
      if (!isUnderWay(from_status) || isUnderWay(to_status)) continue;
      if (!open) found.push(violation('I6', `job ${job}, n ${n}: an attempt ended twice`));
      open = false;
      released = type === 'released' ? released + 1 : 0;
      if (type !== 'released') ended += 1;
      if (released > 20) found.push(violation('I6', `job ${job} was released ${released} times in a row`));
    }
    const allowed = (retries.get(job) ?? Infinity) + 1;
    if (ended > allowed)
      found.push(violation('I6', `job ${job} had ${ended} attempts, ${allowed} are allowed`));
    if (quiet && open) found.push(violation('I6', `an attempt of job ${job} never ended`));
  }
  return found;
};

/** The log of a job is 1, 2, 3 …; who read the stream of all heard each event once and each job's in order. */
export const i10: Judge = ({ operations, events, quiet }) => {
  const found: Violation[] = [];
  const logs = eventsByJob(events);
  for (const [job, log] of logs)
    if (log.some(({ n }, k) => n !== k + 1))
      found.push(violation('I10', `the events of job ${job} are ${log.map(({ n }) => n).join(', ')}`));
  const heard = groupBy(operationsOf(operations, 'streamed'), ({ by }) => by);
  // Whoever was told that its place is gone reads the state anew: it may miss what came before, and hears nothing twice.
  const reset = new Set(operationsOf(operations, 'reset').map(({ by }) => by));
  for (const [reader, all] of heard) {
    const perJob = groupBy(all, ({ job_id }) => job_id);
    for (const [job, told] of perJob) {
      const follows = (n: number, last: number) => (reset.has(reader) ? n > last : n === last + 1);
      if (told.some(({ n }, k) => k > 0 && !follows(n, told[k - 1]?.n ?? 0)))
        found.push(violation('I10', `${reader} heard of job ${job}: ${told.map(({ n }) => n).join(', ')}`));
    }
    if (!quiet || reset.has(reader)) continue;
    for (const [job, log] of logs) {
      const last = perJob.get(job)?.at(-1)?.n ?? 0;
      if (last !== log.length)
        found.push(violation('I10', `${reader} heard of job ${job} up to ${last} of ${log.length} events`));
    }
  }
  return found;
};

function isUnderWay(status: string | null): boolean {
  return status === 'assigned' || status === 'running';
}
