import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lane } from '../jobs/lanes.repository.js';
import { MAX_LANES, MAX_SLOTS, planSlots } from './slot-planner.js';

const lane = (id: number): Lane => ({
  id,
  tenant_id: 'default',
  queue: 'default',
  priority: 'medium',
  requirement: {},
  requirement_hash: String(id),
});
const claim = (node: string, wanted: number) => ({ node, wanted });

describe('planSlots', () => {
  it('serves the best lane first and the claim that waited longest first', () => {
    const slots = planSlots(
      [claim('a', 2), claim('b', 1)],
      [
        { lane: lane(7), expected: 1 },
        { lane: lane(3), expected: 9 },
      ],
      () => true,
    );
    expect(slots.map((slot) => [slot.claim.node, slot.lane_id])).toEqual([
      ['a', 7],
      ['a', 3],
      ['b', 3],
    ]);
  });

  it('passes over a lane that a node may not run, without blocking what stands behind it', () => {
    const slots = planSlots(
      [claim('cpu', 1)],
      [
        { lane: lane(1), expected: 5 },
        { lane: lane(2), expected: 5 },
      ],
      ({ id }) => id === 2,
    );
    expect(slots.map((slot) => slot.lane_id)).toEqual([2]);
  });

  it('never exceeds what a claim wants, what a lane holds, or what a statement carries', () => {
    const claims = fc.array(
      fc.record({ node: fc.constantFrom('a', 'b'), wanted: fc.integer({ min: 1, max: 400 }) }),
    );
    const lanes = fc
      .uniqueArray(fc.integer({ min: 1, max: 60 }))
      .chain((ids) =>
        fc.tuple(
          ...ids.map((id) =>
            fc.integer({ min: 1, max: 300 }).map((expected) => ({ lane: lane(id), expected })),
          ),
        ),
      );
    fc.assert(
      fc.property(claims, lanes, (some, board) => {
        const slots = planSlots(some, board, ({ id }, node) => node === 'a' || id % 2 === 0);
        expect(slots.length).toBeLessThanOrEqual(MAX_SLOTS);
        expect(new Set(slots.map((slot) => slot.lane_id)).size).toBeLessThanOrEqual(MAX_LANES);
        for (const {
          lane: { id },
          expected,
        } of board)
          expect(slots.filter((slot) => slot.lane_id === id).length).toBeLessThanOrEqual(expected);
        for (const one of some)
          expect(slots.filter((slot) => slot.claim === one).length).toBeLessThanOrEqual(one.wanted);
      }),
    );
  });
});
