import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { describe, expect, it } from 'vitest';
import { DAY_MS, dayOf, daysBetween, daysOfId, timeOfUuidV7 } from './job-days.js';

const NOW = Date.parse('2026-03-10T12:00:00Z');
const OLDEST = '2025-01-01';
const ofDay = (ms: number) => {
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-8123-456789abcdef`;
};

describe('the time in an id', () => {
  it('is that of a UUIDv7, to the millisecond', () => {
    const before = Date.now();
    const made = timeOfUuidV7(uuidv7());
    expect(made).toBeGreaterThanOrEqual(before);
    expect(made).toBeLessThanOrEqual(Date.now());
    expect(timeOfUuidV7(ofDay(NOW))).toBe(NOW);
  });

  it('is unknown for an id of another version', () => {
    expect(timeOfUuidV7('00000000-0000-4000-8000-000000000000')).toBeUndefined();
  });
});

describe('days', () => {
  it('are whole ones in UTC, both ends included', () => {
    expect(dayOf(Date.parse('2026-01-01T00:00:00+01:00'))).toBe('2025-12-31');
    expect(daysBetween('2024-02-28', '2024-03-01')).toEqual(['2024-02-28', '2024-02-29', '2024-03-01']);
    expect(daysBetween('2026-01-02', '2026-01-01')).toEqual([]);
  });
});

describe('the walk of an id', () => {
  it('begins the day before the id was made and goes up to today', () => {
    const [first, second] = [...daysOfId(ofDay(NOW - 10 * DAY_MS), OLDEST, NOW)];
    expect(first).toEqual(['2026-02-27', '2026-02-28', '2026-03-01']);
    expect(second?.[0]).toBe('2026-03-02');
    expect(second?.at(-1)).toBe('2026-03-10');
  });

  it('goes from today backwards for an id that tells no time', () => {
    const [first] = [...daysOfId('00000000-0000-4000-8000-000000000000', OLDEST, NOW)];
    expect(first).toEqual(['2026-03-10', '2026-03-09', '2026-03-08']);
  });

  it('visits each day that can hold the job once, few at a time, and none before the oldest', () => {
    fc.assert(
      fc.property(fc.integer({ min: -3, max: 600 }), fc.boolean(), (daysAgo, timed) => {
        const id = timed ? ofDay(NOW - daysAgo * DAY_MS) : '00000000-0000-4000-8000-000000000000';
        const groups = [...daysOfId(id, OLDEST, NOW)];
        const all = groups.flat();
        const from = timed ? dayOf(NOW - (daysAgo + 1) * DAY_MS) : OLDEST;
        expect([...all].sort()).toEqual(daysBetween(from < OLDEST ? OLDEST : from, dayOf(NOW)));
        for (const [k, group] of groups.entries()) expect(group.length).toBeLessThanOrEqual(k === 0 ? 3 : 14);
      }),
    );
  });
});
