import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTimestamp } from './is-timestamp.js';

describe('a timestamp', () => {
  it.each([
    '2030-01-31T12:00:00Z',
    '2030-01-31T12:00:00.123456Z',
    '2030-01-31T12:00:00+02:00',
    '2030-01-31T12:00:00-09:30',
    '2028-02-29T23:59:59Z',
    '1970-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ])('%s is one', (text) => {
    expect(isTimestamp(text)).toBe(true);
  });

  it.each([
    ['a year alone', '2030'],
    ['a week', '2030-W01'],
    ['a day of the year', '2030-001'],
    ['a date alone', '2030-01-31'],
    ['without an offset', '2030-01-01T00:00:00'],
    ['a space between', '2030-01-01 00:00:00Z'],
    ['an offset without a colon', '2030-01-01T00:00:00+0200'],
    ['an offset that PostgreSQL refuses', '2030-01-01T00:00:00+16:00'],
    ['no such day', '2026-02-30T00:00:00Z'],
    ['no such leap day', '2030-02-29T00:00:00Z'],
    ['no such month', '2030-13-01T00:00:00Z'],
    ['hour 24', '2030-01-01T24:00:00Z'],
    ['second 60', '2016-12-31T23:59:60Z'],
    ['before 1970', '1969-12-31T23:59:59Z'],
    ['before 1970 in UTC', '1970-01-01T00:00:00+01:00'],
    ['after 9999 in UTC', '9999-12-31T23:59:59-01:00'],
    ['words', 'yesterday'],
    ['nothing', ''],
    ['a number', 1_900_000_000_000],
    ['a list', ['2030-01-01T00:00:00Z']],
  ])('%s is none', (_, value) => {
    expect(isTimestamp(value)).toBe(false);
  });

  it('is every moment that a Date of those years prints', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
        (date) => {
          expect(isTimestamp(date.toISOString())).toBe(true);
        },
      ),
    );
  });
});
