import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor, ListJobsQuery } from './list-query.js';

function check(query: Record<string, unknown>): { query: ListJobsQuery; wrong: string[] } {
  const instance = plainToInstance(ListJobsQuery, query);
  return { query: instance, wrong: validateSync(instance).map((error) => error.property) };
}

describe('a cursor', () => {
  it('comes back as it was given', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (before) => {
        const cursor = encodeCursor(before);
        expect(decodeCursor(cursor)).toBe(before);
        expect(check({ cursor }).wrong).toEqual([]);
      }),
    );
  });

  it('of somebody else’s making is refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/^b[0-9]+$/.test(Buffer.from(text, 'base64url').toString()));
        expect(() => decodeCursor(text)).toThrowError(expect.objectContaining({ status: 400 }));
      }),
    );
    for (const text of ['b', 'b-1', 'b1.5', 'b99999999999999999', '7', 'b1 '])
      expect(() => decodeCursor(Buffer.from(text).toString('base64url'))).toThrow();
  });
});

describe('the filters of a list', () => {
  it('are read from the query’s text', () => {
    const { query, wrong } = check({ status: 'queued,running', limit: '10', tag: 'a/b', queue: 'live' });
    expect(wrong).toEqual([]);
    expect(query).toMatchObject({ status: ['queued', 'running'], limit: 10, tag: 'a/b', queue: 'live' });
  });

  it.each([
    ['status', 'queued,done'],
    ['status', ''],
    ['limit', '0'],
    ['limit', '501'],
    ['limit', 'many'],
    ['node', 'n1'],
    ['tag', 'two words'],
    ['created_after', 'yesterday'],
    ['created_before', '2026-02-30T00:00:00Z'],
    ['created_after', '2030'],
    ['created_after', '2030-W01'],
    ['created_before', '2030-01-01T00:00:00'],
    ['cursor', 'a=b'],
  ])('refuse %s=%s', (name, value) => {
    expect(check({ [name]: value }).wrong).toEqual([name]);
  });
});
