/** How an attempt's or a job's end changes the rows: `settle` of src/jobs/settle.sql.ts, the one way there. */
import type { JobEventType } from '../../src/jobs/state-machine.js';
import { isTerminal, type JobStatus } from '../../src/protocol/job-status.js';
import type { Fact } from './facts.js';
import type { Ending, Row, World } from './world.js';

export interface Settlement {
  readonly to: JobStatus;
  readonly event: JobEventType;
  /** How the attempt ended, if the job was in one. */
  readonly ending: Ending;
  /** What else the row's columns become. */
  readonly change?: Partial<Row>;
}

/** `deleted_job` and `archived_job`, or `kept_job`, and `settled_event`. */
export function settle(
  world: World,
  job: number,
  { to, event, ending, change }: Settlement,
  facts: Fact[],
): void {
  const place = world.jobs[job];
  if (!place?.live) return;
  const row = { ...place.live, ...change };
  facts.push({ kind: 'event', job, from: row.status, to, event });
  const attempt = row.attempt === null ? undefined : world.attempts[row.attempt];
  if (row.attempt !== null && attempt) {
    facts.push({ kind: 'ended', attempt: row.attempt });
    attempt.end = ending;
  }
  if (isTerminal(to)) Object.assign(place, { live: null, archived: { ...row, status: to, attempt: null } });
  else place.live = { ...row, status: to, attempt: null, node: null, token: null };
}
