import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instantText } from './instant-text.js';

describe('an instant as text', () => {
  it('is what toISOString answers, in whatever order instants come', () => {
    const far = fc.date({ noInvalidDate: true });
    const near = fc.integer({ min: -3000, max: 3000 }).map((ms) => new Date(1_760_000_000_000 + ms));
    const early = fc.integer({ min: -3000, max: 3000 }).map((ms) => new Date(ms));
    fc.assert(
      fc.property(fc.array(fc.oneof(near, far, early), { minLength: 1 }), (instants) => {
        expect(instants.map(instantText)).toEqual(instants.map((instant) => instant.toISOString()));
      }),
    );
  });

  it('throws where there is no instant', () => {
    expect(() => instantText(new Date(NaN))).toThrow(RangeError);
  });
});
