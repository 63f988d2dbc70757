/** The log, read by attempt: how each ended, and what had counted against its job until then. */
import { eventsByJob, groupBy, isUnderWay, type JobEvent } from './evidence.js';

export interface Ending {
  readonly event: JobEvent;
  /** Attempts that had failed before, since the last explicit retry. */
  readonly failures: number;
  /** The endings in a row before this one that may have been releases: those above the most allowed are failures. */
  readonly row: readonly JobEvent[];
}

/** By job and token. An attempt has one ending, unless I6 is broken. */
export function endingsOf(events: readonly JobEvent[]): Map<string, Ending[]> {
  const found: Ending[] = [];
  for (const log of eventsByJob(events).values()) {
    let failures = 0;
    let row: JobEvent[] = [];
    for (const event of log) {
      const { type, from_status, to_status } = event;
      if (type === 'retried') [failures, row] = [0, []];
      if (!isUnderWay(from_status) || isUnderWay(to_status)) continue;
      found.push({ event, failures, row });
      if (type !== 'released') failures += 1;
      row = MAY_BE_RELEASES.includes(type) ? [...row, event] : [];
    }
  }
  return groupBy(found, ({ event }) => `${event.job_id} ${event.lease_token}`);
}

/** In a row; the next one counts as a failure (I6). */
export const MOST_RELEASES = 20;

const MAY_BE_RELEASES = ['released', 'failed', 'retrying'];
