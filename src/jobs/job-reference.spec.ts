import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJobReference } from './job-reference.js';

describe('a job’s name', () => {
  it('is an id, whatever it begins with and however it is written', () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(parseJobReference(id)).toEqual({ id });
        expect(parseJobReference(id.toUpperCase())).toEqual({ id });
      }),
    );
  });

  it('is a number only if all of it is digits', () => {
    expect(parseJobReference('42')).toEqual({ sequence_number: 42 });
    expect(parseJobReference('999999999999999')).toEqual({ sequence_number: 999_999_999_999_999 });
  });

  it.each(['', ' 42', '42 ', '4_2', '0x10', '1e3', '-1', '4.2', '٤٢', '9999999999999999', '3ac5', "1'--"])(
    'is not %j',
    (text) => {
      expect(() => parseJobReference(text)).toThrowError(expect.objectContaining({ status: 404 }));
    },
  );
});
