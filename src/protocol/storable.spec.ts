import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isStorable, storable, storableText } from './storable.js';

describe('storable', () => {
  it('keeps every character but those that PostgreSQL refuses', () => {
    expect(storableText('a\u0000b \ud83c\udfac \ud83c c')).toBe('a\ufffdb \u{1f3ac} \ufffd c');
    expect(storable({ 'k\u0000': ['\udc00', 1, null, { x: 'y' }] })).toEqual({
      'k\ufffd': ['\ufffd', 1, null, { x: 'y' }],
    });
  });

  it('leaves nothing behind that it would refuse, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.integer({ min: 0, max: 0xffff }),
        (text, code) => {
          const mixed = text + String.fromCharCode(code);
          expect(isStorable(storableText(mixed))).toBe(true);
          expect(storableText(mixed)).toHaveLength(mixed.length);
        },
      ),
    );
  });
});
