import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './durations.js';

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['30d', 2_592_000_000],
    ['1.1s', 1_100],
    ['0.5h', 1_800_000],
    ['1m1m', 120_000],
  ])('reads %s as %i ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it.each([
    '',
    '5',
    '5 m',
    'm',
    '-5m',
    '5M',
    '5w',
    '5us',
    '0.0001s',
    '1e3s',
    '.5s',
    '5m ',
    'NaN',
    '99999999999999999d',
  ])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(/^expected a duration with its unit, such as 500ms/);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [5_400_000, '1h30m'],
    [90_061_001, '1d1h1m1s1ms'],
  ])('writes %i ms as %s', (duration, expected) => {
    expect(formatDuration(duration)).toBe(expected);
  });

  it('writes what parseDuration reads back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 14 }), (duration) => {
        expect(parseDuration(formatDuration(duration))).toBe(duration);
      }),
    );
  });
});
