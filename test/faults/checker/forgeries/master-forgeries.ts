/** Histories with two leaders of one time (I4), a master that drains and still gives (I12), a deadlock (I13). */
import { drain, good, goodAnd, handed, leading, report, submit, type Forgeries } from '../forged-history.js';

const idle = { jobs: [], events: [] };

export const masterForgeries: Forgeries = {
  I4: {
    'an epoch that falls': {
      evidence: good({
        terms: [
          { epoch: 2, master_id: 'a', since: 1 },
          { epoch: 1, master_id: 'b', since: 2 },
        ],
      }),
      says: 'epoch 1 began after 2',
    },
    'two leaders of one epoch': {
      evidence: good({ ...idle, operations: [leading('a', 1, 10), leading('b', 1, 20)] }),
      says: 'epoch 1 had the leaders a and b',
    },
    'a leader that goes on long after the next one': {
      evidence: good({ ...idle, operations: [leading('b', 2, 10), leading('a', 1, 2000)] }),
      says: 'a led in epoch 1 after 2 began',
    },
  },
  I12: {
    'a draining master that hands out jobs': {
      evidence: goodAnd(drain(5, 100)),
      says: 'http://a gave jobs to the claim claim-1 while it drained',
    },
    'a draining master that hands out jobs on a report': {
      evidence: good({
        operations: [
          submit(),
          drain(5, 100),
          report({ begin: 10, end: 20, token: 9, claim_id: 'riding', at: 'http://a', handed: [handed(1)] }),
        ],
      }),
      says: 'http://a gave jobs to the report riding while it drained',
    },
    'a draining master that hands out jobs on a report whose claim it does not name': {
      evidence: good({
        operations: [
          submit(),
          report({ begin: 2, end: 3, token: 8, at: 'http://a' }),
          drain(5, 100),
          report({ begin: 10, end: 20, token: 9, at: 'http://a', handed: [handed(1)] }),
        ],
      }),
      says: 'http://a gave jobs to the report undefined while it drained',
    },
    'a master that ends badly': {
      evidence: goodAnd(drain(500, 600, 1)),
      says: 'http://a ended with 1 when it was told to stop',
    },
  },
  I13: {
    'a deadlock in a log': {
      evidence: good({ logs: ['all is well\n… ERROR:  deadlock detected'] }),
      says: '… ERROR:  deadlock detected',
    },
    'its SQLSTATE in a log': {
      evidence: good({ logs: ['{"code":"40P01"}'] }),
      says: '40P01',
    },
  },
};
