/** Histories in which a report was told what is not so: that it counts (I1), or that it does not (I3). */
import type { Operation } from '../../rig/history.js';
import {
  claim,
  good,
  handed,
  JOB,
  log,
  report,
  submit,
  type Forgeries,
  type Forgery,
  type Step,
} from '../forged-history.js';

const STATUSES = ['completed', 'failed', 'canceled', 'released'] as const;

/** The event that a first report of such a status leaves, and the state after it. */
const LEAVES = {
  completed: ['completed', 'completed'],
  failed: ['retrying', 'retrying'],
  canceled: ['canceled', 'canceled'],
  released: ['released', 'queued'],
} as const;

/** A first attempt that ended so; where it did not end the job, a second completed it. */
function endedBy([type, status]: readonly [Step[0], Step[2]]): Step[] {
  const over = status === 'completed' || status === 'failed' || status === 'canceled';
  return [
    ['submitted', null, 'queued'],
    ['assigned', 'queued', 'assigned', 1],
    [type, 'assigned', status, 1],
    ...(status === 'retrying' ? [['promoted', 'retrying', 'queued'] as Step] : []),
    ...(over
      ? []
      : [['assigned', 'queued', 'assigned', 2] as Step, ['completed', 'assigned', 'completed', 2] as Step]),
  ];
}

function reported(steps: readonly Step[], ...reports: readonly Operation[]): Forgery['evidence'] {
  const claimed = claim({ begin: 10, end: 20, handed: [handed(1)] });
  return good({ events: log(...steps), operations: [submit(), claimed, ...reports] });
}

const told = (outcome: 'accepted' | 'duplicate' | 'stale', status: string) =>
  report({ begin: 50, end: 51, token: 1, status, outcome });

const each = (forge: (status: (typeof STATUSES)[number]) => [what: string, forgery: Forgery]) =>
  Object.fromEntries(STATUSES.map(forge));

export const reportForgeries: Forgeries = {
  I1: {
    ...each((status) => [
      `an accepted report (${status}) of an attempt that then expired`,
      {
        evidence: reported(endedBy(['lease_expired', 'queued']), told('accepted', status)),
        says: `the accepted report (${status}) of job ${JOB}, token 1, left lease_expired, not ${LEAVES[status][0]}`,
      },
    ]),
    ...each((status) => [
      `a repeated report (${status}) that counts though the attempt never ended so`,
      {
        evidence: reported(
          endedBy(['lease_expired', 'queued']),
          report({ begin: 40, token: 1, status }),
          told('duplicate', status),
        ),
        says: `the duplicate report (${status}) of job ${JOB}, token 1, left lease_expired, not ${LEAVES[status][0]}`,
      },
    ]),
    'a failure that was timed out first': {
      evidence: reported(
        [
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['timed_out', 'assigned', 'timed_out', 1],
          ['retrying', 'timed_out', 'retrying', 1],
          ['promoted', 'retrying', 'queued'],
          ['assigned', 'queued', 'assigned', 2],
          ['completed', 'assigned', 'completed', 2],
        ],
        told('accepted', 'failed'),
      ),
      says: 'left timed_out, not retrying',
    },
    'a job that is given up though retries are left': {
      evidence: reported(endedBy(['failed', 'failed']), told('accepted', 'failed')),
      says: 'left failed, not retrying',
    },
    'a retry of what no retry can mend': {
      evidence: reported(
        endedBy(['retrying', 'retrying']),
        report({
          begin: 50,
          end: 51,
          token: 1,
          status: 'failed',
          failure_reason: 'input_error',
          outcome: 'accepted',
        }),
      ),
      says: 'left retrying, not failed',
    },
    'a release that is counted as a failure too early': {
      evidence: reported(endedBy(['retrying', 'retrying']), told('accepted', 'released')),
      says: 'left retrying, not released',
    },
  },
  I3: {
    'an old token that left an event': {
      evidence: good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['lease_expired', 'assigned', 'queued', 1],
          ['assigned', 'queued', 'assigned', 2],
          ['started', 'assigned', 'running', 1],
          ['completed', 'running', 'completed', 2],
        ),
        operations: [submit()],
      }),
      says: 'n 5: started with token 1 after 2 was given',
    },
    ...each((status) => [
      `a report (${status}) that is told stale and ended the attempt`,
      {
        evidence: {
          ...reported(endedBy(LEAVES[status]).slice(0, 3), told('stale', status)),
          quiet: false,
        },
        says: `a report (${status}) of job ${JOB}, token 1, was told stale and left ${LEAVES[status][0]}`,
      },
    ]),
  },
};
