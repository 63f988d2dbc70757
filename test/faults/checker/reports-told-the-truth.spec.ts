/** Histories of many ends, all of them as promised: the checker finds nothing in them. */
import { expect, it } from 'vitest';
import type { Report } from '../rig/history.js';
import { check } from './check.js';
import { claim, good, handed, intervene, job, log, report, submit, type Step } from './forged-history.js';

type Told = [token: number, status: string, outcome: Report['results'][number]['outcome'], reason?: string];

/** One claim and one report after the other, a hundred milliseconds each. */
function history(steps: readonly Step[], told: readonly Told[]) {
  const tokens = [...new Set(told.map(([token]) => token))];
  const claimed = tokens.map((token) =>
    claim({ begin: token * 100, end: token * 100 + 5, claim_id: `claim-${token}`, handed: [handed(token)] }),
  );
  const reported = told.map(([token, status, outcome, failure_reason], k) =>
    report({
      begin: token * 100 + 10 + k / 10,
      ...(outcome && { end: token * 100 + 10 + k / 10 }),
      ...{ token, status },
      ...(outcome && { outcome }),
      ...(failure_reason && { failure_reason }),
    }),
  );
  return { events: log(...steps), operations: [submit(), ...claimed, ...reported] };
}

const claimed = (token: number): Step => ['assigned', 'queued', 'assigned', token];
const retrying = (token: number): Step[] => [
  claimed(token),
  ['retrying', 'assigned', 'retrying', token],
  ['promoted', 'retrying', 'queued'],
];

it('a job may fail until no retry is left, and again after an explicit one', () => {
  const { events, operations } = history(
    [
      ['submitted', null, 'queued'],
      ...retrying(1),
      claimed(2),
      ['failed', 'assigned', 'failed', 2],
      ['retried', 'failed', 'queued'],
      ...retrying(3),
      claimed(4),
      ['failed', 'assigned', 'failed', 4],
    ],
    [
      [1, 'failed', undefined],
      [1, 'failed', 'duplicate'],
      [1, 'completed', 'stale'],
      [2, 'failed', 'accepted'],
      [3, 'failed', 'accepted'],
      // Of a later attempt more is known.
      [3, 'failed', 'duplicate'],
      [4, 'failed', 'accepted'],
    ],
  );
  const all = [
    ...operations,
    intervene('retry', 250, 200),
    report({ begin: 500, end: 501, token: 1, status: 'failed', outcome: 'stale' }),
  ];
  expect(check(good({ events, operations: all, jobs: [job({ status: 'failed', max_retries: 1 })] }))).toEqual(
    [],
  );
});

it('a first report may be a duplicate, since masters repeat what they asked of the database', () => {
  const steps: Step[] = [
    ['submitted', null, 'queued'],
    claimed(1),
    ['completed', 'assigned', 'completed', 1],
  ];
  const { events, operations } = history(steps, [[1, 'completed', 'duplicate']]);
  expect(check(good({ events, operations }))).toEqual([]);
});

it('a failure that no retry can mend ends its job', () => {
  const steps: Step[] = [['submitted', null, 'queued'], claimed(1), ['failed', 'assigned', 'failed', 1]];
  const { events, operations } = history(steps, [[1, 'failed', 'accepted', 'input_error']]);
  expect(check(good({ events, operations, jobs: [job({ status: 'failed' })] }))).toEqual([]);
});

it('a job may be handed back 20 times, and what follows in the row counts as failures', () => {
  const tokens = Array.from({ length: 20 }, (_, k) => k + 1);
  const { events, operations } = history(
    [
      ['submitted', null, 'queued'],
      ...tokens.flatMap((token): Step[] => [claimed(token), ['released', 'assigned', 'queued', token]]),
      ...retrying(21),
      ...retrying(22),
      // It ended the row.
      ...retrying(23),
      claimed(24),
      ['released', 'assigned', 'queued', 24],
      claimed(25),
      ['failed', 'assigned', 'failed', 25],
    ],
    [
      ...tokens.map((token): Told => [token, 'released', 'accepted']),
      [21, 'released', 'accepted'],
      [22, 'released', undefined],
      [22, 'released', 'duplicate'],
      [23, 'failed', 'accepted'],
      [24, 'released', 'accepted'],
      [25, 'failed', 'accepted'],
    ],
  );
  expect(check(good({ events, operations, jobs: [job({ status: 'failed' })] }))).toEqual([]);
});

it('a cancel ends the attempt, and its worker is told so whatever it says', () => {
  const steps: Step[] = [['submitted', null, 'queued'], claimed(1), ['canceled', 'assigned', 'canceled', 1]];
  const { events, operations } = history(steps, [
    [1, 'failed', 'stale'],
    [1, 'completed', 'stale'],
    [1, 'released', 'stale'],
    [1, 'canceled', 'duplicate'],
  ]);
  const all = [...operations, intervene('cancel', 106, 200), intervene('retry', 107, 409)];
  expect(check(good({ events, operations: all, jobs: [job({ status: 'canceled' })] }))).toEqual([]);
});

it('a master may take back what a lost answer had handed out', () => {
  const steps: Step[] = [
    ['submitted', null, 'queued'],
    claimed(1),
    ['released', 'assigned', 'queued', 1],
    claimed(2),
    ['completed', 'assigned', 'completed', 2],
  ];
  const { events, operations } = history(steps, [
    [1, 'released', 'duplicate'],
    [2, 'completed', 'accepted'],
    [1, 'released', 'stale'],
  ]);
  const taken = events.map((event) => (event.type === 'released' ? { ...event, actor: 'master' } : event));
  expect(check(good({ events: taken, operations }))).toEqual([]);
});
