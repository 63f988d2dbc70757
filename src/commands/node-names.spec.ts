import { expect, it } from 'vitest';
import { nodeId } from './node-names.js';
import type { RestClient } from './rest/rest-client.js';

const id = (digit: number) => `0190b5e4-0000-7000-8000-00000000000${digit}`;
const pages: Record<string, object> = {
  first: { items: [{ id: id(1), name: 'worker-1', status: 'online' }], next_cursor: 'second' },
  second: {
    items: [
      { id: id(2), name: 'worker-2', status: 'online' },
      { id: id(3), name: 'twin', status: 'online' },
      { id: id(4), name: 'twin', status: 'offline' },
    ],
    next_cursor: null,
  },
};
const client = {
  get: async (_: string, query?: { cursor?: string }) => pages[query?.cursor ?? 'first'],
} as unknown as RestClient;

it('takes an id as it is, and finds a name on any page', async () => {
  expect(await nodeId(client, id(9))).toBe(id(9));
  expect(await nodeId(client, 'worker-1')).toBe(id(1));
  expect(await nodeId(client, 'worker-2')).toBe(id(2));
});

it('says that a name is unknown, or whose it is', async () => {
  await expect(nodeId(client, 'worker-3')).rejects.toThrow(/no node is called worker-3; .*nodes list/);
  await expect(nodeId(client, 'twin')).rejects.toThrow(`${id(3)} (online), ${id(4)} (offline)`);
});
