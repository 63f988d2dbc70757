/** The event log: legal steps (I5), bounded attempts that end once (I6), no gap, in the log or on the stream (I10). */
import { isLegal } from '../../../src/jobs/state-machine.js';
import { MOST_RELEASES } from './endings.js';
import { misheard, numbers } from './streams.js';
import { eventsByJob, isUnderWay, violation, type Judge, type JobEvent, type Violation } from './evidence.js';

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
      if (released > MOST_RELEASES)
        found.push(violation('I6', `job ${job} was released ${released} times in a row`));
    }
    const allowed = (retries.get(job) ?? Infinity) + 1;
    if (ended > allowed)
      found.push(violation('I6', `job ${job} had ${ended} attempts, ${allowed} are allowed`));
    if (quiet && open) found.push(violation('I6', `an attempt of job ${job} never ended`));
  }
  return found;
};

/** The log of a job is 1, 2, 3 …, and so is what the readers of the stream hear of it. */
export const i10: Judge = (evidence) => {
  const found: Violation[] = [];
  for (const [job, log] of eventsByJob(evidence.events))
    if (log.some(({ n }, k) => n !== k + 1))
      found.push(violation('I10', `the events of job ${job} are ${numbers(log)}`));
  return [...found, ...misheard(evidence)];
};
