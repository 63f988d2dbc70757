import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueueRates } from './queue-rates.js';

describe('the rates of queues', () => {
  it('are what happened in the last minute, queue by queue', () => {
    let now = 1_000;
    const rates = QueueRates.by(() => now);
    rates.submitted('live', 3);
    now += 30;
    rates.submitted('live');
    rates.finished('batch', 2);
    expect(rates.lastMinute()).toEqual([
      { queue: 'batch', submitted_per_minute: 0, finished_per_minute: 2 },
      { queue: 'live', submitted_per_minute: 4, finished_per_minute: 0 },
    ]);
    now += 30;
    expect(rates.lastMinute()).toEqual([
      { queue: 'batch', submitted_per_minute: 0, finished_per_minute: 2 },
      { queue: 'live', submitted_per_minute: 1, finished_per_minute: 0 },
    ]);
    now += 30;
    expect(rates.lastMinute()).toEqual([]);
  });

  it('agree with a list of all that happened, however long nothing was asked', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(90), fc.nat(5)), { maxLength: 200 }), (steps) => {
        let now = 0;
        const rates = QueueRates.by(() => now);
        const happened: number[] = [];
        for (const [pause, jobs] of steps) {
          now += pause;
          rates.finished('q', jobs);
          for (let k = 0; k < jobs; k += 1) happened.push(now);
          const expected = happened.filter((at) => at > now - 60).length;
          expect(rates.lastMinute().reduce((sum, rate) => sum + rate.finished_per_minute, 0)).toBe(expected);
        }
      }),
    );
  });
});
