/** Histories in which a lease was held twice (I2), an old one had an effect (I3), or there were too many (I7). */
import {
  ALPHA,
  beat,
  claim,
  good,
  goodAnd,
  handed,
  instant,
  JOB,
  log,
  report,
  secondClaim,
  submit,
  type Forgeries,
} from '../forged-history.js';

const ranAgain = log(
  ['submitted', null, 'queued'],
  ['assigned', 'queued', 'assigned', 1],
  ['lease_expired', 'assigned', 'queued', 1],
  ['assigned', 'queued', 'assigned', 2],
  ['completed', 'assigned', 'completed', 2],
);

export const leaseForgeries: Forgeries = {
  I2: {
    'a token that went to two claims': {
      evidence: goodAnd(claim({ begin: 11, end: 21, claim_id: 'claim-2', handed: [handed(1)] })),
      says: 'token 1 of job job-1 went to two claims',
    },
    'two leases that are believed in at once': {
      evidence: good({
        events: ranAgain,
        operations: [
          submit(),
          claim({ begin: 10, end: 20, handed: [handed(1)] }),
          secondClaim({ begin: 30, end: 40 }),
        ],
      }),
      says: 'token 2 was given while 1 still held',
    },
    'a heartbeat that extended a lease that another got meanwhile': {
      evidence: good({
        events: ranAgain,
        operations: [
          submit(),
          claim({ begin: 10, end: 20, handed: [handed(1)] }),
          beat({ begin: 2500, end: 2510, token: 1, lease: 'extended' }),
          secondClaim(),
        ],
      }),
      says: 'token 2 was given while 1 still held',
    },
    'a repeated claim that is given its old lease when another has a newer one': {
      evidence: good({
        events: ranAgain,
        operations: [
          submit(),
          claim({ begin: 10, end: 20, handed: [handed(1)] }),
          // It heard that the lease is lost, and believes in it no more.
          beat({ begin: 3000, end: 3010, token: 1, lease: 'lost' }),
          secondClaim(),
          claim({ begin: 3040, end: 3050, handed: [handed(1)] }),
        ],
      }),
      says: 'token 1 was given out after 2',
    },
    'tokens that fall in the log': {
      evidence: good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 2],
          ['lease_expired', 'assigned', 'queued', 2],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
      says: 'was assigned with token 1 after 2',
    },
    'an instant with two leases of one job': {
      evidence: goodAnd(instant({ doubled: [JOB] })),
      says: 'had two valid leases at one instant',
    },
  },
  I3: {
    'an old token whose report passes': {
      evidence: good({
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
          secondClaim(),
          report({ begin: 4000, end: 4010, token: 1, outcome: 'accepted' }),
        ],
      }),
      says: 'a report of job job-1 with token 1 passed after 2',
    },
    'an old token whose heartbeat passes': {
      evidence: goodAnd(secondClaim(), beat({ begin: 4000, end: 4010, token: 1, lease: 'extended' })),
      says: 'a heartbeat of job job-1 with token 1 passed after 2',
    },
    'a token that is accepted twice': {
      evidence: goodAnd(report({ begin: 60, end: 61, token: 1, outcome: 'accepted' })),
      says: 'token 1 had 2 accepted reports',
    },
  },
  I7: {
    'a node with more leases than slots': {
      evidence: goodAnd(instant({ nodes: [{ node_id: ALPHA, running: 3, slots: 2 }] })),
      says: 'node node-alpha had 3 leases for 2 slots',
    },
    'a queue over its limit': {
      evidence: goodAnd(instant({ queues: [{ queue: 'batch', running: 2, max_running: 1 }] })),
      says: 'queue batch had 2 running, its limit is 1',
    },
  },
};
