/** The checker itself, on forged histories: a good one passes, and each bad one breaks just the promise it is about. */
import { describe, expect, it } from 'vitest';
import type { JobEventType } from '../../../src/jobs/state-machine.js';
import type { JobStatus } from '../../../src/protocol/job-status.js';
import type { Claim, Handed, Operation, Report } from '../rig/history.js';
import type { Evidence, JobEvent } from './evidence.js';
import { check, JUDGES } from './check.js';

const JOB = 'job-1';
const [ALPHA, BETA] = ['node-alpha', 'node-beta'];

describe('a good history', () => {
  it('breaks nothing', () => {
    expect(check(good())).toEqual([]);
  });

  it('may have a job that ran again once its first lease was over', () => {
    const events = log(
      ['submitted', null, 'queued'],
      ['assigned', 'queued', 'assigned', 1],
      ['lease_expired', 'assigned', 'queued', 1],
      ['assigned', 'queued', 'assigned', 2],
      ['completed', 'assigned', 'completed', 2],
    );
    const operations = [
      submit(),
      claim({ begin: 10, end: 20, handed: [handed(1)] }),
      // Three seconds later; the report of the first comes late and is refused.
      claim({ begin: 3020, end: 3030, node_id: BETA, claim_id: 'claim-2', handed: [handed(2)] }),
      report({ begin: 3040, end: 3050, node_id: BETA, token: 2, outcome: 'accepted' }),
      report({ begin: 4000, end: 4010, token: 1, outcome: 'stale' }),
    ];
    expect(check(good({ events, operations }))).toEqual([]);
  });

  it('may have a reader that missed what came before it was reset', () => {
    const reset: Operation = { kind: 'reset', by: 'reader', begin: 80, end: 80 };
    expect(check(good({ operations: [...good().operations, ...heard(1), reset, ...heard(3)] }))).toEqual([]);
  });

  it('concludes nothing from an answer that never came', () => {
    const lost = claim({ begin: 5, handed: [] });
    expect(check(good({ operations: [...good().operations, lost] }))).toEqual([]);
  });
});

describe('a forged history', () => {
  const forged: Readonly<Record<string, Readonly<Record<string, Evidence>>>> = {
    I1: {
      'a job that was acknowledged and is nowhere': good({ jobs: [] }),
      'a job that never ends though there is peace': good({ jobs: [{ ...job(), status: 'queued' }] }),
      'an accepted report without a trace': good({
        operations: [...good().operations, report({ begin: 90, end: 91, token: 7, outcome: 'accepted' })],
      }),
    },
    I2: {
      'a token that went to two claims': good({
        operations: [
          ...good().operations,
          claim({ begin: 11, end: 21, claim_id: 'claim-2', handed: [handed(1)] }),
        ],
      }),
      'two leases that are believed in at once': good({
        operations: [
          submit(),
          claim({ begin: 10, end: 20, handed: [handed(1)] }),
          claim({ begin: 30, end: 40, node_id: BETA, claim_id: 'claim-2', handed: [handed(2)] }),
          report({ begin: 50, end: 60, token: 1, outcome: 'accepted' }),
        ],
      }),
      'a heartbeat that extended a lease that another got meanwhile': good({
        operations: [
          submit(),
          claim({ begin: 10, end: 20, handed: [handed(1)] }),
          beat({ begin: 2500, end: 2510, token: 1, lease: 'extended' }),
          claim({ begin: 3100, end: 3110, node_id: BETA, claim_id: 'claim-2', handed: [handed(2)] }),
        ],
      }),
      'tokens that fall in the log': good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 2],
          ['lease_expired', 'assigned', 'queued', 2],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
      'an instant with two leases of one job': good({
        operations: [...good().operations, instant({ doubled: [JOB] })],
      }),
    },
    I3: {
      'an old token whose report passes': good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['lease_expired', 'assigned', 'queued', 1],
          ['assigned', 'queued', 'assigned', 2],
          ['completed', 'assigned', 'completed', 1],
        ),
        operations: [
          submit(),
          claim({ begin: 10, end: 20, handed: [handed(1)] }),
          claim({ begin: 3020, end: 3030, node_id: BETA, claim_id: 'claim-2', handed: [handed(2)] }),
          report({ begin: 4000, end: 4010, token: 1, outcome: 'accepted' }),
        ],
      }),
      'an old token whose heartbeat passes': good({
        operations: [
          ...good().operations,
          claim({ begin: 3020, end: 3030, node_id: BETA, claim_id: 'claim-2', handed: [handed(2)] }),
          beat({ begin: 4000, end: 4010, token: 1, lease: 'extended' }),
        ],
      }),
      'a token that is accepted twice': good({
        operations: [...good().operations, report({ begin: 60, end: 61, token: 1, outcome: 'accepted' })],
      }),
    },
    I4: {
      'an epoch that falls': good({
        terms: [
          { epoch: 2, master_id: 'a', since: 1 },
          { epoch: 1, master_id: 'b', since: 2 },
        ],
      }),
      'two leaders of one epoch': good({
        operations: [leading('a', 1, 10), leading('b', 1, 20)],
        jobs: [],
        events: [],
      }),
      'a leader that goes on long after the next one': good({
        operations: [leading('b', 2, 10), leading('a', 1, 2000)],
        jobs: [],
        events: [],
      }),
    },
    I5: {
      'an edge that does not exist': good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
          ['resumed', 'completed', 'completed', 1],
        ),
      }),
      'a step from a state that the job was not in': good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['started', 'assigned', 'running', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
    },
    I6: {
      'more attempts than are allowed': good({
        jobs: [{ ...job(), max_retries: 0 }],
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['lease_expired', 'assigned', 'queued', 1],
          ['assigned', 'queued', 'assigned', 2],
          ['completed', 'assigned', 'completed', 2],
        ),
        operations: [],
      }),
      'an attempt that never ends': good({
        events: log(['submitted', null, 'queued'], ['assigned', 'queued', 'assigned', 1]),
        operations: [],
      }),
      '21 releases in a row': good({
        events: log(
          ['submitted', null, 'queued'],
          ...Array.from({ length: 21 }, (_, k) => [
            ['assigned', 'queued', 'assigned', k + 1] as Step,
            ['released', 'assigned', 'queued', k + 1] as Step,
          ]).flat(),
        ),
        operations: [],
      }),
    },
    I7: {
      'a node with more leases than slots': good({
        operations: [...good().operations, instant({ nodes: [{ node_id: ALPHA, running: 3, slots: 2 }] })],
      }),
      'a queue over its limit': good({
        operations: [
          ...good().operations,
          instant({ queues: [{ queue: 'batch', running: 2, max_running: 1 }] }),
        ],
      }),
    },
    I8: {
      'a job that is claimed before its time': good({
        jobs: [{ ...job(), run_at: 1500 }],
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['lease_expired', 'assigned', 'queued', 1],
          ['promoted', 'queued', 'queued'],
          ['assigned', 'queued', 'assigned', 2],
          ['completed', 'assigned', 'completed', 2],
        ),
      }),
      'a job that is promoted before its time': good({
        jobs: [{ ...job(), run_at: 1500 }],
        events: log(
          ['submitted', null, 'queued'],
          ['promoted', 'queued', 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
      'a job that is never promoted': good({ jobs: [{ ...job(), run_at: 1000.5 }] }),
      'a job that is promoted twice': good({
        jobs: [{ ...job(), run_at: 0 }],
        events: log(
          ['submitted', null, 'queued'],
          ['promoted', 'queued', 'queued'],
          ['promoted', 'queued', 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
    },
    I9: {
      'a key that made two jobs': good({
        jobs: [job(), { ...job(), id: 'job-2' }],
        operations: [...good().operations, submit({ job_ids: ['job-2'] })],
      }),
      'a key that took two bodies': good({
        operations: [...good().operations, submit({ body: 'another' })],
      }),
    },
    I10: {
      'a gap in the log': good({ events: good().events.filter(({ n }) => n !== 2), operations: [submit()] }),
      'a stream that repeats': good({ operations: [...good().operations, ...heard(1, 2, 2, 3)] }),
      'a stream that repeats after a reset': good({
        operations: [
          ...good().operations,
          ...heard(1, 2),
          { kind: 'reset', by: 'reader', begin: 80, end: 80 },
          ...heard(2, 3),
        ],
      }),
      'a stream that loses the end': good({ operations: [...good().operations, ...heard(1, 2)] }),
    },
    I12: {
      'a draining master that hands out jobs': good({
        operations: [
          ...good().operations,
          { kind: 'drain', by: 'rig', begin: 5, end: 100, master: 'http://a', exit_status: 0 },
        ],
      }),
      'a master that ends badly': good({
        operations: [
          ...good().operations,
          { kind: 'drain', by: 'rig', begin: 500, end: 600, master: 'http://a', exit_status: 1 },
        ],
      }),
    },
    I13: { 'a deadlock in a log': good({ logs: ['… ERROR:  deadlock detected'] }) },
  };

  it('is there for each promise that the checker judges', () => {
    expect(Object.keys(forged)).toEqual(Object.keys(JUDGES));
  });

  const all = Object.entries(forged).flatMap(([id, cases]) =>
    Object.entries(cases).map(([what, evidence]) => ({ id, what, evidence })),
  );
  it.each(all)('$id: $what', ({ id, evidence }) => {
    expect(check(evidence).map(({ invariant }) => invariant)).toContain(id);
  });
});

type Step = [type: JobEventType, from: JobStatus | null, to: JobStatus, token?: number];

/** One job that is submitted, claimed by alpha and completed. */
function good(changes: Partial<Evidence> = {}): Evidence {
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

function job() {
  return { id: JOB, status: 'completed' as const, max_retries: 3, run_at: null };
}

function log(...steps: Step[]): JobEvent[] {
  return steps.map(([type, from_status, to_status, token], k) => ({
    job_id: JOB,
    n: k + 1,
    type,
    from_status,
    to_status,
    node_id: ALPHA,
    lease_token: token ?? null,
    at: 1000 + k,
  }));
}

function submit(changes: Partial<Extract<Operation, { kind: 'submit' }>> = {}): Operation {
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

function handed(lease_token: number): Handed {
  return { job_id: JOB, lease_token, lease_seconds: 3 };
}

function claim(changes: Partial<Claim>): Claim {
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

function beat({
  begin,
  end,
  token,
  lease,
}: {
  begin: number;
  end: number;
  token: number;
  lease: 'extended' | 'lost';
}): Operation {
  const attempts = [{ job_id: JOB, lease_token: token, lease, lease_seconds: 3 }];
  return { kind: 'heartbeat', by: 'worker', begin, end, node_id: ALPHA, attempts };
}

function report({
  begin,
  end,
  node_id = ALPHA,
  token,
  outcome,
}: {
  begin: number;
  end: number;
  node_id?: string;
  token: number;
  outcome: 'accepted' | 'stale';
}): Report {
  const results = [{ job_id: JOB, lease_token: token, status: 'completed', outcome }];
  return { kind: 'report', by: 'worker', begin, end, node_id, results, handed: [] };
}

function instant(changes: Partial<Extract<Operation, { kind: 'instant' }>>): Operation {
  return { kind: 'instant', by: 'rig', begin: 70, end: 71, nodes: [], queues: [], doubled: [], ...changes };
}

function leading(master: string, epoch: number, at: number): Operation {
  return { kind: 'leading', by: 'rig', begin: at, end: at + 1, master, epoch };
}

function heard(...numbers: number[]): Operation[] {
  return numbers.map((n) => ({ kind: 'streamed', by: 'reader', begin: 80, end: 80, job_id: JOB, n }));
}
