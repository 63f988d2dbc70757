import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.js';

describe('canonical JSON', () => {
  it('is one text for every order of the members, at every depth', () => {
    expect(canonicalJson({ b: [{ d: 1, c: { f: null, e: 'x' } }], a: 2 })).toBe(
      '{"a":2,"b":[{"c":{"e":"x","f":null},"d":1}]}',
    );
  });

  it('keeps the value: nothing is lost, and the order of a list stays', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(canonicalJson([2, 1])).not.toBe(canonicalJson([1, 2]));
  });

  it('is the same after any shuffle of an object’s members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.infiniteStream(fc.nat()), (object, dice) => {
        const shuffled = Object.entries(object)
          .map((entry) => ({ entry, at: dice.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ entry }) => entry);
        expect(canonicalJson(Object.fromEntries(shuffled))).toBe(canonicalJson(object));
      }),
    );
  });
});
