/**
 * A state of the modelled world: the rows of the database, what processes believe, and what is on its way.
 *
 * Members marked "ghost" exist for the judge alone; no action decides by them. Plain data, copied before each
 * change. Attempts, workers, masters and jobs are named by their place in the arrays.
 */
import type { JobStatus } from '../../src/protocol/job-status.js';
import type { Bounds } from './rules.js';

/** A row of `jobs` or `job_history`. */
export interface Row {
  status: JobStatus;
  node: number | null;
  token: number | null;
  failures: number;
  releases: number;
  retry_count: number;
  reported_token: number | null;
  reported_as: Said | null;
  /** Ghost: the attempt that the row is assigned to. */
  attempt: number | null;
  /** Ghost: explicit retries so far. */
  era: number;
}

/** An acknowledged job: a row in one of two tables. */
export interface Job {
  live: Row | null;
  archived: Row | null;
}

export interface Lease {
  job: number;
  node: number;
  token: number;
  /** `expires_at < now()`. A lease may run out at any moment after it was given or extended. */
  expired: boolean;
  revoked: boolean;
  /** Ghost. */
  attempt: number;
}

/** What a worker reports of an attempt. */
export type Said = 'completed' | 'failed' | 'released';

export type Ending = Said | 'lease_expired' | 'canceled';

/** A claim's answer and all that follows of it. What it says is on its way for ever: late, lost or repeated. */
export interface Attempt {
  readonly job: number;
  readonly node: number;
  /** Which claim of the node was answered with it. */
  readonly claim: number;
  readonly token: number;
  /** The answer arrived at the worker. */
  heard: boolean;
  said: Said | null;
  /** Ghost: how it ended. */
  end: Ending | null;
  /** Ghost: its report was accepted. */
  accepted: boolean;
  /** Ghost: explicit retries of the job before it. */
  readonly era: number;
}

export interface Worker {
  /** Number of the claim id whose answer it waits for. That one and every earlier one may arrive, at any time. */
  claim: number;
  dead: boolean;
}

/** A claim's statement between the snapshot that it selects by and its UPDATE. */
export interface Selection {
  readonly node: number;
  readonly claim: number;
  readonly job: number;
}

export interface Term {
  readonly epoch: number;
  /** Ghost: the how-manieth term this is, whatever the database says. */
  readonly ordinal: number;
}

/** A statement of a duty that a master decided on and that has not arrived. */
export interface Decision extends Term {
  /** Jobs whose leases had run out by then: only a sweep without its re-check looks at them. */
  readonly seen: readonly number[];
}

export interface Master {
  /** Its lock session lives and holds the advisory lock. */
  lock: boolean;
  /** The term that it believes in. */
  term: Term | null;
  decision: Decision | null;
}

export interface World {
  jobs: Job[];
  leases: Lease[];
  attempts: Attempt[];
  workers: Worker[];
  selected: Selection[];
  masters: Master[];
  leadership: { epoch: number; master: number | null };
  /** Ghost: terms begun, and the highest epoch of them. */
  terms: number;
  highest_epoch: number;
  /** What may still happen, by the bounds. */
  left: Record<
    | 'leader_losses'
    | 'database_crashes'
    | 'worker_deaths'
    | 'cancels'
    | 'explicit_retries'
    | 'abandoned_claims',
    number
  >;
}

/** All jobs are submitted and acknowledged, and nobody has done anything yet. */
export function beginning(bounds: Bounds): World {
  const waiting = (): Row => ({
    status: 'queued',
    node: null,
    token: null,
    failures: 0,
    releases: 0,
    retry_count: 0,
    reported_token: null,
    reported_as: null,
    attempt: null,
    era: 0,
  });
  const { leader_losses, database_crashes, worker_deaths, cancels, explicit_retries, abandoned_claims } =
    bounds;
  return {
    jobs: Array.from({ length: bounds.jobs }, () => ({ live: waiting(), archived: null })),
    leases: [],
    attempts: [],
    workers: Array.from({ length: bounds.workers }, () => ({ claim: 1, dead: false })),
    selected: [],
    masters: Array.from({ length: bounds.masters }, () => ({ lock: false, term: null, decision: null })),
    leadership: { epoch: 0, master: null },
    terms: 0,
    highest_epoch: 0,
    left: { leader_losses, database_crashes, worker_deaths, cancels, explicit_retries, abandoned_claims },
  };
}

/** Deep where an action writes. */
export function copy(world: World): World {
  return {
    ...world,
    jobs: world.jobs.map(({ live, archived }) => ({
      live: live && { ...live },
      archived: archived && { ...archived },
    })),
    leases: world.leases.map((lease) => ({ ...lease })),
    attempts: world.attempts.map((attempt) => ({ ...attempt })),
    workers: world.workers.map((worker) => ({ ...worker })),
    selected: [...world.selected],
    masters: world.masters.map((master) => ({ ...master })),
    leadership: { ...world.leadership },
    left: { ...world.left },
  };
}

export function isHeld(row: Row): boolean {
  return row.status === 'assigned' || row.status === 'running';
}

export const workerName = (worker: number): string => `worker ${'ABC'[worker]}`;
export const masterName = (master: number): string => `master ${master + 1}`;
export const jobName = (job: number): string => `job ${job + 1}`;
