import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { NodeIdPipe } from './node-id.pipe.js';

const pipe = new NodeIdPipe();

describe('a node’s id in a path', () => {
  it('is read in either case, and written in lower case', () => {
    const id = randomUUID();
    expect(pipe.transform(id)).toBe(id);
    expect(pipe.transform(id.toUpperCase())).toBe(id);
  });

  it.each(['', '7', 'node-1', '018f0000', `${randomUUID()} `, `{${randomUUID()}}`])(
    'that is no UUID names no node: %j',
    (id) => {
      expect(() => pipe.transform(id)).toThrowError(
        expect.objectContaining({ status: 404, message: expect.stringContaining('no such node') }),
      );
    },
  );
});
