import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffTable, jitter, JITTER_SQL } from './backoff.js';

const DEFAULTS = { initial_backoff: 5000, max_backoff: 300_000, backoff_multiplier: 2 };

describe('the backoff', () => {
  it('doubles from 5 seconds and ends at 5 minutes, by default', () => {
    expect(backoffTable(DEFAULTS).slice(0, 8)).toEqual([
      5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000,
    ]);
  });

  it('never falls, and never exceeds its cap', () => {
    fc.assert(
      fc.property(
        fc.record({
          initial_backoff: fc.integer({ min: 0, max: 600_000 }),
          max_backoff: fc.integer({ min: 0, max: 86_400_000 }),
          backoff_multiplier: fc.double({ min: 1, max: 100, noNaN: true }),
        }),
        (settings) => {
          const table = backoffTable(settings);
          for (const [k, delay] of table.entries()) {
            expect(Number.isSafeInteger(delay)).toBe(true);
            expect(delay).toBeLessThanOrEqual(settings.max_backoff);
            expect(delay).toBeGreaterThanOrEqual(table[k - 1] ?? 0);
          }
        },
      ),
    );
  });

  it('is at its cap where the table ends, so that no count of failures is beyond it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600_000 }),
        fc.integer({ min: 0, max: 86_400_000 }),
        fc.double({ min: 2, max: 100, noNaN: true }),
        (initial_backoff, max_backoff, backoff_multiplier) => {
          const table = backoffTable({ initial_backoff, max_backoff, backoff_multiplier });
          expect(table.at(0)).toBe(Math.min(initial_backoff, max_backoff));
          expect(table.at(-1)).toBe(max_backoff);
        },
      ),
    );
  });

  it('multiplies each delay until the cap, to the millisecond', () => {
    const settings = fc.record({
      initial_backoff: fc.integer({ min: 1, max: 600_000 }),
      max_backoff: fc.integer({ min: 0, max: 86_400_000 }),
      backoff_multiplier: fc.integer({ min: 1, max: 100 }),
    });
    fc.assert(
      fc.property(settings, ({ initial_backoff, max_backoff, backoff_multiplier }) => {
        const [first, ...rest] = backoffTable({ initial_backoff, max_backoff, backoff_multiplier });
        rest.reduce((before, delay) => {
          expect(delay).toBe(Math.min(max_backoff, before * backoff_multiplier));
          return delay;
        }, first ?? NaN);
      }),
    );
  });

  it('is spread over its last fifth, and never waits for longer than its cap', () => {
    expect(jitter(() => 0)).toBe(0.8);
    expect(jitter(() => 1)).toBe(1);
    const dice = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(dice, dice, (low, high) => {
        expect(jitter(() => low)).toBeGreaterThanOrEqual(0.8);
        expect(jitter(() => low)).toBeLessThanOrEqual(1);
        if (low <= high) expect(jitter(() => low)).toBeLessThanOrEqual(jitter(() => high));
      }),
    );
    expect(new Set(Array.from({ length: 20 }, () => jitter())).size).toBeGreaterThan(1);
  });

  it('is thrown by the same dice in SQL', () => {
    expect(JITTER_SQL).toBe('(0.8 + 0.2 * random())');
  });
});
