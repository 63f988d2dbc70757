/**
 * The state machine of a job, whole: which edges exist, what takes a job along each, and nothing else.
 * The SQL statements move jobs; `verify` and the tests hold every row of the event log against this
 * table, and docs/state-machine.md is generated from it.
 *
 * `timed_out` is passed through within one statement, never rested in. Pause is no state: it lies over
 * any live one.
 */
import { isTerminal, JOB_STATUSES, type JobStatus } from '../protocol/job-status.js';

export interface Edge {
  readonly from: JobStatus;
  readonly to: JobStatus;
  /** The type of the event that records it. */
  readonly event: JobEventType;
  readonly when: string;
}

export const JOB_EVENT_TYPES = [
  'submitted',
  'imported',
  'assigned',
  'started',
  'completed',
  'failed',
  'retrying',
  'timed_out',
  'promoted',
  'released',
  'lease_expired',
  'canceled',
  'rejected',
  'paused',
  'resumed',
  'retried',
] as const;

export type JobEventType = (typeof JOB_EVENT_TYPES)[number];

export const EDGES: readonly Edge[] = [
  { from: 'queued', to: 'assigned', event: 'assigned', when: 'a node claims it' },
  { from: 'queued', to: 'canceled', event: 'canceled', when: 'somebody cancels it' },
  { from: 'queued', to: 'rejected', event: 'rejected', when: 'a policy refuses it for good' },
  { from: 'assigned', to: 'running', event: 'started', when: 'the worker begins its first step' },
  // An attempt shorter than a heartbeat interval is reported before `started` was ever sent.
  { from: 'assigned', to: 'completed', event: 'completed', when: 'the worker reports success' },
  { from: 'assigned', to: 'failed', event: 'failed', when: 'it fails and no retry is left' },
  { from: 'assigned', to: 'retrying', event: 'retrying', when: 'it fails and a retry is left' },
  { from: 'assigned', to: 'queued', event: 'released', when: 'the worker hands it back' },
  { from: 'assigned', to: 'queued', event: 'lease_expired', when: 'the worker fell silent' },
  {
    from: 'assigned',
    to: 'failed',
    event: 'lease_expired',
    when: 'the worker fell silent and no retry is left',
  },
  { from: 'assigned', to: 'timed_out', event: 'timed_out', when: 'it was not started in time' },
  { from: 'assigned', to: 'canceled', event: 'canceled', when: 'somebody cancels it' },
  { from: 'running', to: 'completed', event: 'completed', when: 'the worker reports success' },
  { from: 'running', to: 'failed', event: 'failed', when: 'it fails and no retry is left' },
  { from: 'running', to: 'retrying', event: 'retrying', when: 'it fails and a retry is left' },
  { from: 'running', to: 'queued', event: 'released', when: 'the worker hands it back' },
  { from: 'running', to: 'queued', event: 'lease_expired', when: 'the worker fell silent' },
  {
    from: 'running',
    to: 'failed',
    event: 'lease_expired',
    when: 'the worker fell silent and no retry is left',
  },
  { from: 'running', to: 'timed_out', event: 'timed_out', when: 'it ran for longer than it may' },
  { from: 'running', to: 'canceled', event: 'canceled', when: 'somebody cancels it' },
  { from: 'timed_out', to: 'retrying', event: 'retrying', when: 'a retry is left' },
  { from: 'timed_out', to: 'failed', event: 'failed', when: 'no retry is left' },
  { from: 'retrying', to: 'queued', event: 'promoted', when: 'its backoff is over' },
  { from: 'retrying', to: 'canceled', event: 'canceled', when: 'somebody cancels it' },
  { from: 'failed', to: 'queued', event: 'retried', when: 'somebody asks for another try' },
  { from: 'canceled', to: 'queued', event: 'retried', when: 'somebody asks for another try' },
];

/** States in which a job of another system may arrive: waiting, or ended. None has a lease. */
export const ARRIVALS: readonly JobStatus[] = JOB_STATUSES.filter(
  (status) => status === 'queued' || status === 'retrying' || isTerminal(status),
);

/** Events that leave the state as it is. */
export const STILL_EVENTS: readonly JobEventType[] = ['paused', 'resumed', 'promoted'];

export function isLegal(from: JobStatus | null, to: JobStatus, event: JobEventType): boolean {
  if (from === null)
    return event === 'submitted' ? to === 'queued' : event === 'imported' && ARRIVALS.includes(to);
  if (from === to) return STILL_EVENTS.includes(event) && !isTerminal(to);
  return EDGES.some((edge) => edge.from === from && edge.to === to && edge.event === event);
}

/** The machine as a mermaid diagram, for docs/state-machine.md. */
export function toMermaid(): string {
  const lines = ['stateDiagram-v2', '  [*] --> queued: submitted'];
  for (const status of ARRIVALS) lines.push(`  [*] --> ${status}: imported`);
  for (const { from, to, event } of EDGES) lines.push(`  ${from} --> ${to}: ${event}`);
  for (const status of JOB_STATUSES) if (isTerminal(status)) lines.push(`  ${status} --> [*]`);
  return lines.join('\n');
}
