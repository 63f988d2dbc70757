/** A small history that breaks nothing, and the parts of which forgeries are put together. */
import type { JobEventType } from '../../../src/jobs/state-machine.js';
import type { JobStatus } from '../../../src/protocol/job-status.js';
import type { Claim, Handed, Intervene, Operation, Report } from '../rig/history.js';
import type { Evidence, JobAtTheEnd, JobEvent } from './evidence.js';

export const JOB = 'job-1';
export const [ALPHA, BETA] = ['node-alpha', 'node-beta'];

/** A history in which a promise is broken. */
export interface Forgery {
  readonly evidence: Evidence;
  /** A piece of what the judge has to say. */
  readonly says: string;
  /** Promises that cannot but break with it. */
  readonly also?: readonly string[];
}

/** By the promise that is broken, and by what was forged. */
export type Forgeries = Readonly<Record<string, Readonly<Record<string, Forgery>>>>;

export type Step = [type: JobEventType, from: JobStatus | null, to: JobStatus, token?: number];

/** One job that is submitted, claimed by alpha and completed. */
export function good(changes: Partial<Evidence> = {}): Evidence {
  return {
    operations: [
      submit(),
      claim({ begin: 10, end: 20, handed: [handed(1)] }),
      beat({ begin: 30, end: 31, token: 1, lease: 'extended' }),
      report({ begin: 50, end: 51, token: 1, outcome: 'accepted' }),
    ],
    events: log(
      ['submitted', null, 'queued'],
      ['assigned', 'queued', 'assigned', 1],
      ['completed', 'assigned', 'completed', 1],
    ),
    jobs: [job()],
    terms: [
      { epoch: 1, master_id: 'a', since: 1 },
      { epoch: 2, master_id: 'b', since: 2 },
    ],
    logs: ['all is well'],
    quiet: true,
    ...changes,
  };
}

/** The same, with more operations. */
export function goodAnd(...operations: readonly Operation[]): Evidence {
  return good({ operations: [...good().operations, ...operations] });
}

export function job(changes: Partial<JobAtTheEnd> = {}): JobAtTheEnd {
  return { id: JOB, status: 'completed', max_retries: 3, run_at: null, ...changes };
}

/** Events of the job, of which the first is at 1000 and each is a millisecond after the one before. */
export function log(...steps: readonly Step[]): JobEvent[] {
  return steps.map(([type, from_status, to_status, token], k) => ({
    job_id: JOB,
    n: k + 1,
    type,
    from_status,
    to_status,
    node_id: ALPHA,
    lease_token: token ?? null,
    actor: null,
    generation: 1,
    xid: String(700 + k),
    id: k + 1,
    at: 1000 + k,
  }));
}

export function submit(changes: Partial<Extract<Operation, { kind: 'submit' }>> = {}): Operation {
  return {
    kind: 'submit',
    by: 'team',
    begin: 0,
    end: 5,
    key: 'key',
    body: 'body',
    job_ids: [JOB],
    ...changes,
  };
}

export function handed(lease_token: number): Handed {
  return { job_id: JOB, lease_token, lease_seconds: 3 };
}

export function claim(changes: Partial<Claim>): Claim {
  return {
    kind: 'claim',
    by: 'worker',
    begin: 0,
    node_id: ALPHA,
    claim_id: 'claim-1',
    at: 'http://a',
    handed: [],
    ...changes,
  };
}

/** Three seconds after the first claim, when a lease of it is over; beta gets token 2. */
export function secondClaim(changes: Partial<Claim> = {}): Claim {
  const beta = { node_id: BETA, claim_id: 'claim-2', handed: [handed(2)] };
  return claim({ begin: 3020, end: 3030, ...beta, ...changes });
}

interface Beat {
  readonly begin: number;
  readonly end: number;
  readonly token: number;
  readonly lease: 'extended' | 'lost';
}

export function beat({ begin, end, token, lease }: Beat): Operation {
  const attempts = [{ job_id: JOB, lease_token: token, lease, lease_seconds: 3 }];
  return { kind: 'heartbeat', by: 'worker', begin, end, node_id: ALPHA, attempts };
}

type Result = Report['results'][number];

export function report({
  token,
  status = 'completed',
  outcome,
  failure_reason,
  ...changes
}: Partial<Report> & Partial<Result> & { readonly begin: number; readonly token: number }): Report {
  const answered = { ...(failure_reason && { failure_reason }), ...(outcome && { outcome }) };
  const results = [{ job_id: JOB, lease_token: token, status, ...answered }];
  return { kind: 'report', by: 'worker', node_id: ALPHA, results, handed: [], ...changes };
}

export function intervene(kind: Intervene['kind'], begin: number, status: number): Intervene {
  return { kind, by: 'owner', begin, end: begin + 1, job_id: JOB, status };
}

export function instant(changes: Partial<Extract<Operation, { kind: 'instant' }>>): Operation {
  return { kind: 'instant', by: 'rig', begin: 70, end: 71, nodes: [], queues: [], doubled: [], ...changes };
}

export function leading(master: string, epoch: number, at: number): Operation {
  return { kind: 'leading', by: 'rig', begin: at, end: at + 1, master, epoch };
}

export function drain(begin: number, end: number, exit_status = 0): Operation {
  return { kind: 'drain', by: 'rig', begin, end, master: 'http://a', exit_status };
}

export function heard(...numbers: readonly number[]): Operation[] {
  return numbers.map((n) => ({ kind: 'streamed', by: 'reader', begin: 80, end: 80, job_id: JOB, n }));
}

/** @param place in the stream, behind all events of transactions up to 700, which made the first event */
export function reset(place = '1-700-1-20261123'): Operation {
  return { kind: 'reset', by: 'reader', begin: 80, end: 80, place };
}
