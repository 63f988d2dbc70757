/** Histories that lost what was acknowledged (I1), ran planned work early (I8) or doubled a submit (I9). */
import { good, goodAnd, intervene, job, log, report, submit, type Forgeries } from '../forged-history.js';

export const workForgeries: Forgeries = {
  I1: {
    'a job that was acknowledged and is nowhere': {
      evidence: good({ jobs: [] }),
      says: 'job job-1 was acknowledged and is nowhere',
    },
    'a job that never ends though there is peace': {
      evidence: good({ jobs: [job({ status: 'queued' })] }),
      says: 'job job-1 is still queued though there was peace',
    },
    'an accepted report without a trace': {
      evidence: goodAnd(report({ begin: 90, end: 91, token: 7, outcome: 'accepted' })),
      says: 'the accepted report (completed) of job job-1, token 7, left no event',
    },
    'a cancel that was acknowledged and did nothing': {
      evidence: goodAnd(intervene('cancel', 6, 200)),
      says: 'the acknowledged cancel of job job-1 left no event',
    },
    'a retry that was acknowledged and did nothing': {
      evidence: goodAnd(intervene('retry', 60, 200)),
      says: 'the acknowledged retry of job job-1 left no event',
    },
  },
  I8: {
    'a job that is claimed before its time': {
      evidence: good({
        jobs: [job({ run_at: 1000.5 })],
        // Promoted in time, at 1003.
        events: log(
          ['submitted', null, 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['lease_expired', 'assigned', 'queued', 1],
          ['promoted', 'queued', 'queued'],
          ['assigned', 'queued', 'assigned', 2],
          ['completed', 'assigned', 'completed', 2],
        ),
        operations: [submit()],
      }),
      says: 'job job-1 was claimed before its time',
    },
    'a job that is promoted before its time': {
      evidence: good({
        jobs: [job({ run_at: 1500 })],
        events: log(
          ['submitted', null, 'queued'],
          ['promoted', 'queued', 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
      says: 'job job-1 was promoted before its time',
    },
    'a job that is never promoted': {
      evidence: good({ jobs: [job({ run_at: 1000.5 })] }),
      says: 'job job-1 was due and never promoted',
    },
    'a job that is promoted twice': {
      evidence: good({
        jobs: [job({ run_at: 0 })],
        events: log(
          ['submitted', null, 'queued'],
          ['promoted', 'queued', 'queued'],
          ['promoted', 'queued', 'queued'],
          ['assigned', 'queued', 'assigned', 1],
          ['completed', 'assigned', 'completed', 1],
        ),
      }),
      says: 'job job-1 was promoted 2 times',
    },
  },
  I9: {
    'a key that made two jobs': {
      evidence: good({
        jobs: [job(), job({ id: 'job-2' })],
        operations: [...good().operations, submit({ job_ids: ['job-2'] })],
      }),
      says: 'the key key made different jobs',
    },
    'a key that took two bodies': {
      evidence: goodAnd(submit({ body: 'another' })),
      says: 'the key key was accepted with different bodies',
    },
  },
};
