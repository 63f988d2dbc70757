import { describe, expect, it } from 'vitest';
import { daysLater, decodeCursor, encodeCursor, isAfter } from './event-cursor.js';

describe('a cursor', () => {
  it('comes back as it was written, 64-bit transaction ids included', () => {
    const cursor = { generation: 3, xid: 9_223_372_036_854_775_807n, id: 12, day: '2026-02-28' };
    expect(encodeCursor(cursor)).toBe('3-9223372036854775807-12-20260228');
    expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor);
  });

  it.each([
    '',
    '1',
    '1-2-3',
    '1-2-3-20261301',
    '1-2-3-20260230',
    '1-2-3-20260101-',
    'a-2-3-20260101',
    '-1-2-3-20260101',
  ])('is none of ours: %j', (text) => expect(decodeCursor(text)).toBeUndefined());

  it('is ordered by transaction, then by event', () => {
    expect(isAfter({ xid: 10n, id: 1 }, { xid: 9n, id: 5 })).toBe(true);
    expect(isAfter({ xid: 9n, id: 5 }, { xid: 9n, id: 5 })).toBe(false);
    expect(isAfter({ xid: 9n, id: 6 }, { xid: 9n, id: 5 })).toBe(true);
    expect(isAfter({ xid: 8n, id: 6 }, { xid: 9n, id: 5 })).toBe(false);
  });
});

it('counts days over the ends of months', () => {
  expect(daysLater('2026-02-28', 1)).toBe('2026-03-01');
  expect(daysLater('2026-01-01', -1)).toBe('2025-12-31');
});
