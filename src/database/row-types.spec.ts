import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { rowTypes } from './row-types.js';

const TIMESTAMPTZ = pg.types.builtins.TIMESTAMPTZ;
const ours = rowTypes.getTypeParser(TIMESTAMPTZ);
const theirs = pg.types.getTypeParser(TIMESTAMPTZ) as (text: string) => unknown;

describe('a timestamptz', () => {
  it('is the same instant that pg reads, whatever the fraction of its second', () => {
    const at = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    const fraction = fc.stringMatching(/^(\.\d{1,6})?$/);
    const zone = fc.constantFrom('+00', '-08', '+05:30', '+00:00', '+00 BC');
    fc.assert(
      fc.property(at, fraction, zone, (date, digits, offset) => {
        const text = `${date.toISOString().slice(0, 19).replace('T', ' ')}${digits}${offset}`;
        expect(ours(text)).toEqual(theirs(text));
      }),
    );
  });

  it('is read beyond the years of Date, and without end', () => {
    for (const text of ['infinity', '-infinity', '20000-01-02 03:04:05+00']) {
      expect(ours(text)).toEqual(theirs(text));
    }
  });
});
