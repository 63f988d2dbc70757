/** Histories with an illegal step (I5), too many attempts or endings (I6), or a gap in log or stream (I10). */
import { good, goodAnd, heard, job, log, reset, type Forgeries, type Step } from '../forged-history.js';

const pausedFirst = log(
  ['submitted', null, 'queued'],
  ['paused', 'queued', 'queued'],
  ['resumed', 'queued', 'queued'],
  ['assigned', 'queued', 'assigned', 1],
  ['completed', 'assigned', 'completed', 1],
);

/** To a place before the last event. */
const late = reset('1-703-4-20261123');

export const logForgeries: Forgeries = {
  I5: {
    'an edge that does not exist': {
      evidence: good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
          ['resumed', 'completed', 'completed', 1],
        ),
      }),
      says: 'n 4: completed → completed by resumed',
    },
    'a step from a state that the job was not in': {
      evidence: good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['started', 'assigned', 'running', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
      says: 'n 4: it was running, not assigned',
    },
  },
  I6: {
    'more attempts than are allowed': {
      evidence: good({
        jobs: [job({ max_retries: 0 })],
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['lease_expired', 'assigned', 'queued', 1],
          ['assigned', 'queued', 'assigned', 2],
          ['completed', 'assigned', 'completed', 2],
        ),
        operations: [],
      }),
      says: 'had 2 attempts, 1 are allowed',
    },
    'an attempt that never ends': {
      evidence: good({
        events: log(['submitted', null, 'queued'], ['assigned', 'queued', 'assigned', 1]),
        operations: [],
      }),
      says: 'an attempt of job job-1 never ended',
    },
    'an attempt that ended twice': {
      evidence: good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
      says: 'n 4: an attempt ended twice',
      also: ['I5'],
    },
    'an attempt that began before the last one ended': {
      evidence: good({
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['assigned', 'queued', 'assigned', 2],
          ['completed', 'assigned', 'completed', 2],
        ),
        operations: [],
      }),
      says: 'n 3: an attempt began before the last one ended',
      also: ['I5'],
    },
    '21 releases in a row': {
      evidence: good({
        events: log(
          ['submitted', null, 'queued'],
          ...Array.from({ length: 21 }, (_, k) => [
            ['assigned', 'queued', 'assigned', k + 1] as Step,
            ['released', 'assigned', 'queued', k + 1] as Step,
          ]).flat(),
        ),
        operations: [],
      }),
      says: 'was released 21 times in a row',
    },
  },
  I10: {
    'a gap in the log': {
      evidence: good({ events: pausedFirst.filter(({ n }) => n !== 2) }),
      says: 'the events of job job-1 are 1, 3, 4, 5',
    },
    'a stream that repeats': {
      evidence: goodAnd(...heard(1, 2, 2, 3)),
      says: 'reader heard of job job-1: 1, 2, 2, 3',
    },
    'a stream that repeats after a reset': {
      evidence: goodAnd(...heard(1, 2), reset(), ...heard(2, 3)),
      says: 'reader heard of job job-1 before and after a reset: 1, 2, 2, 3',
    },
    'a gap in a stream': {
      evidence: good({ quiet: false, operations: [...good().operations, ...heard(1, 3)] }),
      says: 'reader heard of job job-1: 1, 3',
    },
    'a gap before a reset': {
      evidence: good({
        events: pausedFirst,
        operations: [...good().operations, ...heard(1, 3), late, ...heard(5)],
      }),
      says: 'reader heard of job job-1: 1, 3',
    },
    'a gap after a reset': {
      evidence: good({
        events: pausedFirst,
        quiet: false,
        operations: [...good().operations, ...heard(1), reset(), ...heard(2, 4)],
      }),
      says: 'reader heard of job job-1: 2, 4',
    },
    'a reset to a place that is none': {
      evidence: goodAnd(...heard(1), reset('1-700'), ...heard(2, 3)),
      says: 'reader was reset to no place: 1-700',
    },
    'a stream that loses the end': {
      evidence: goodAnd(...heard(1, 2)),
      says: 'reader never heard of job job-1: 3',
    },
    'a stream that loses the end after a reset': {
      evidence: goodAnd(...heard(1), reset(), ...heard(2)),
      says: 'reader never heard of job job-1: 3',
    },
    'a stream that loses what follows the place that it was reset to': {
      evidence: goodAnd(...heard(1), reset(), ...heard(3)),
      says: 'reader never heard of job job-1: 2',
    },
    'a stream that says nothing after a reset': {
      evidence: goodAnd(...heard(1), reset()),
      says: 'reader never heard of job job-1: 2, 3',
    },
    'a stream that says nothing of a new generation': {
      evidence: good({
        events: good().events.map((event) => ({ ...event, generation: 2 })),
        operations: [...good().operations, reset('1-900-0-20261123')],
      }),
      says: 'reader never heard of job job-1: 1, 2, 3',
    },
  },
};
