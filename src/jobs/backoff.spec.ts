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

  it('is spread over its last fifth, and never waits for longer than its cap', () => {
    expect(jitter(() => 0)).toBe(0.8);
    expect(jitter(() => 1)).toBe(1);
    for (let k = 0; k < 1000; k += 1) {
      const factor = jitter();
      expect(factor).toBeGreaterThanOrEqual(0.8);
      expect(factor).toBeLessThanOrEqual(1);
    }
  });

  it('is thrown by the same dice in SQL', () => {
    expect(JITTER_SQL).toBe('(0.8 + 0.2 * random())');
  });
});
