import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { arrayText } from './array-text.js';

/** Its types describe a later version of pg-types than the one that `pg` brings. */
const arrays = pg.types.arrayParser as unknown as {
  create(source: string, transform: (entry: string | null) => unknown): { parse(): unknown[] };
};

describe('the text of an array', () => {
  it('is read back as the same texts and nulls', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 8 }),
        (list) => {
          expect(arrays.create(arrayText(list) ?? '', (entry) => entry).parse()).toEqual(list);
        },
      ),
    );
  });

  it('holds what means something to the server between quotes', () => {
    expect(arrayText(['', 'NULL', 'a,b', '{}', 'say "no"', 'a\\b'])).toBe(
      String.raw`{"","NULL","a,b","{}","say \"no\"","a\\b"}`,
    );
  });

  it('holds numbers, booleans and nulls as they are', () => {
    expect(arrayText([1, -0.5, 2 ** 52, true, null, undefined])).toBe(
      '{1,-0.5,4503599627370496,true,NULL,NULL}',
    );
    expect(arrayText([])).toBe('{}');
  });

  it('is left to others where elements are lists, dates or bytes', () => {
    for (const element of [[1], new Date(0), Buffer.from('a'), {}]) {
      expect(arrayText([1, element])).toBeUndefined();
    }
  });
});
