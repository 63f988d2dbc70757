/** What the checker concludes from: the history of all calls, and what the database holds at the end. */
import type { JobEventType } from '../../../src/jobs/state-machine.js';
import type { JobStatus } from '../../../src/protocol/job-status.js';
import type { Operation } from '../rig/history.js';

export interface JobEvent {
  readonly job_id: string;
  readonly n: number;
  readonly type: JobEventType;
  readonly from_status: JobStatus | null;
  readonly to_status: JobStatus;
  readonly node_id: string | null;
  readonly lease_token: number | null;
  /** Who did it: `leader/7` or `master` for their own duties, null for what workers do by claims and heartbeats. */
  readonly actor: string | null;
  /** Its place in the stream of all events: by generation, transaction and id. */
  readonly generation: number;
  readonly xid: string;
  readonly id: number;
  /** Milliseconds since 1970, by the database's clock. */
  readonly at: number;
}

export interface JobAtTheEnd {
  readonly id: string;
  readonly status: JobStatus;
  readonly max_retries: number;
  /** Milliseconds since 1970. */
  readonly run_at: number | null;
}

export interface TermAtTheEnd {
  readonly epoch: number;
  readonly master_id: string;
  readonly since: number;
}

export interface Evidence {
  readonly operations: readonly Operation[];
  /** Of each job in the order of n. */
  readonly events: readonly JobEvent[];
  readonly jobs: readonly JobAtTheEnd[];
  readonly terms: readonly TermAtTheEnd[];
  /** What masters and servers printed. */
  readonly logs: readonly string[];
  /** Whether there was peace for long enough that every job must have ended. */
  readonly quiet: boolean;
}

export interface Violation {
  /** As in guarantees.md: `I2`. */
  readonly invariant: string;
  readonly detail: string;
}

/** One promise, held against the evidence. */
export type Judge = (evidence: Evidence) => Violation[];

export function groupBy<T, K>(all: Iterable<T>, key: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) {
    const group = groups.get(key(one));
    if (group) group.push(one);
    else groups.set(key(one), [one]);
  }
  return groups;
}

export function operationsOf<K extends Operation['kind']>(
  operations: readonly Operation[],
  kind: K,
): (Operation & { kind: K })[] {
  return operations.filter((one): one is Operation & { kind: K } => one.kind === kind);
}

export function eventsByJob(events: readonly JobEvent[]): Map<string, JobEvent[]> {
  return groupBy(events, ({ job_id }) => job_id);
}

/** Whether an attempt is open. */
export function isUnderWay(status: string | null): boolean {
  return status === 'assigned' || status === 'running';
}

export function violation(invariant: string, detail: string): Violation {
  return { invariant, detail };
}
