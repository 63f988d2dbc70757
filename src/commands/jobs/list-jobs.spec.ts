import { describe, expect, it } from 'vitest';
import type { Query } from '../rest/rest-client.js';
import { readPages } from './list-jobs.js';

/** Answers these pages one after the other, and notes what was asked. */
function clientOf(pages: { items: string[]; next_cursor: string | null }[]) {
  const asked: Query[] = [];
  const get = <T>(_path: string, query: Query = {}) => {
    asked.push(query);
    return Promise.resolve(pages[asked.length - 1] as T);
  };
  return { asked, client: { get } };
}

describe('jobs list', () => {
  it('goes on where a page came back short, and asks for no more than is missing', async () => {
    const { client, asked } = clientOf([
      { items: ['a'], next_cursor: '1' },
      { items: [], next_cursor: '2' },
      { items: ['b', 'c'], next_cursor: '3' },
    ]);
    expect(await readPages(client, { tag: 'x', queue: undefined }, 3)).toEqual({
      items: ['a', 'b', 'c'],
      next_cursor: '3',
    });
    expect(asked).toEqual([
      { tag: 'x', limit: 3, cursor: undefined },
      { tag: 'x', limit: 2, cursor: '1' },
      { tag: 'x', limit: 2, cursor: '2' },
    ]);
  });

  it('with --all ends where no cursor is left', async () => {
    const { client, asked } = clientOf([
      { items: ['a'], next_cursor: '1' },
      { items: ['b'], next_cursor: null },
    ]);
    expect(await readPages(client, {}, Infinity)).toEqual({ items: ['a', 'b'], next_cursor: null });
    expect(asked.map(({ limit }) => limit)).toEqual([500, 500]);
  });
});
