import { describe, expect, it } from 'vitest';
import { checkTimeZone, readSourceSeconds, readSourceTime } from './source-time.js';

describe('a time of ffmpeg-rtmp', () => {
  it.each([
    ['2026-01-07T10:00:00Z', '2026-01-07T10:00:00.000000Z'],
    ['2026-01-07 10:00:00.123456789+01:00', '2026-01-07T09:00:00.123456Z'],
    ['2026-01-07 10:00:00.5 +0100 CET m=+0.125', '2026-01-07T09:00:00.500000Z'],
    ['2026-01-07 10:00:00 +0000 UTC', '2026-01-07T10:00:00.000000Z'],
    ['2026-01-07 10:00:00 -0330 -0330', '2026-01-07T13:30:00.000000Z'],
    ['2026-01-07 10:00:00+05', '2026-01-07T05:00:00.000000Z'],
    ['2026-01-07', '2026-01-07T00:00:00.000000Z'],
  ])('is read from %s', (text, time) => {
    expect(readSourceTime(text, 'UTC')).toBe(time);
  });

  it.each([
    ['2026-01-07 10:00:00', 'Europe/Berlin', '2026-01-07T09:00:00.000000Z'],
    ['2026-07-07 10:00:00', 'Europe/Berlin', '2026-07-07T08:00:00.000000Z'],
    // The hour that comes twice, and the one that is left out.
    ['2026-10-25 02:30:00', 'Europe/Berlin', '2026-10-25T00:30:00.000000Z'],
    ['2026-03-29 02:30:00', 'Europe/Berlin', '2026-03-29T01:30:00.000000Z'],
    ['2026-01-07 10:00:00.25', 'Asia/Kathmandu', '2026-01-07T04:15:00.250000Z'],
    ['2026-01-07 10:00:00', 'Pacific/Kiritimati', '2026-01-06T20:00:00.000000Z'],
    // A time that names its zone has no use for ours.
    ['2026-01-07 10:00:00Z', 'Europe/Berlin', '2026-01-07T10:00:00.000000Z'],
  ])('without a zone is taken as of the one that was named: %s %s', (text, zone, time) => {
    expect(readSourceTime(text, zone)).toBe(time);
  });

  it('is none where Go wrote its zero', () => {
    expect(readSourceTime('0001-01-01 00:00:00+00:00', 'UTC')).toBeNull();
  });

  it.each([
    'yesterday',
    '2026-02-31 10:00:00',
    '2026-01-07 25:00:00',
    '1969-12-31 23:59:59Z',
    'infinity',
    '12026-01-01',
  ])('is not made up: %s', (text) => {
    expect(readSourceTime(text, 'UTC')).toBeUndefined();
  });

  it('may be seconds', () => {
    expect(readSourceSeconds(1_767_780_000)).toBe('2026-01-07T10:00:00.000000Z');
    expect(readSourceSeconds(-1)).toBeUndefined();
    expect(readSourceSeconds(Number.NaN)).toBeUndefined();
  });

  it('has a zone that exists', () => {
    expect(() => checkTimeZone('Europe/Nowhere')).toThrow(RangeError);
  });
});

it('takes no zone from three letters, which several zones have, but for UTC and GMT', () => {
  expect(readSourceTime('2026-01-07 10:00:00 CET', 'America/New_York')).toBeUndefined();
  expect(readSourceTime('2026-01-07 10:00:00 GMT', 'America/New_York')).toBe('2026-01-07T10:00:00.000000Z');
  expect(readSourceTime('2026-01-07 10:00:00 +0100 CET', 'UTC')).toBe('2026-01-07T09:00:00.000000Z');
});
