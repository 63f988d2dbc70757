import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lane } from '../jobs/lanes.repository.js';
import { MAX_LANES, MAX_SLOTS, planSlots, type OpenLane } from './slot-planner.js';

const lane = (id: number): Lane => ({
  id,
  tenant_id: 'default',
  queue: 'default',
  priority: 'medium',
  requirement: {},
  requirement_hash: String(id),
});
const open = (id: number, expected: number): OpenLane => ({ lane: lane(id), expected, unfitUpTo: 0 });
const claim = (node: string, wanted: number, arrival: number) => ({ node, wanted, arrival });

describe('planSlots', () => {
  it('serves the best lane first and the claim that came first', () => {
    const slots = planSlots([claim('a', 2, 1), claim('b', 1, 2)], [open(7, 1), open(3, 9)], () => true);
    expect(slots.map((slot) => [slot.claim.node, slot.lane_id])).toEqual([
      ['a', 7],
      ['a', 3],
      ['b', 3],
    ]);
  });

  it('passes over a lane that a node may not run, without blocking what stands behind it', () => {
    const slots = planSlots([claim('cpu', 1, 1)], [open(1, 5), open(2, 5)], ({ id }) => id === 2);
    expect(slots.map((slot) => slot.lane_id)).toEqual([2]);
  });

  it('asks once whether a claim fits a lane that no node can run, and hears of claims that come later', () => {
    const lanes = [open(1, 5)];
    const asked: string[] = [];
    const fits = (_: Lane, node: string): boolean => {
      asked.push(node);
      return node === 'gpu';
    };
    const claims = Array.from({ length: 50 }, (_, k) => claim('cpu', 1, k + 1));
    expect(planSlots(claims, lanes, fits)).toEqual([]);
    expect(planSlots(claims, lanes, fits)).toEqual([]);
    expect(asked).toHaveLength(50);
    expect(planSlots([...claims, claim('gpu', 1, 51)], lanes, fits)).toHaveLength(1);
    expect(asked).toHaveLength(51);
  });

  it('remembers nothing of a claim that fits but has no room now', () => {
    const lanes = [open(1, 5)];
    const fits = (_: Lane, node: string) => node === 'gpu';
    expect(planSlots([claim('gpu', 0, 1), claim('cpu', 1, 2)], lanes, fits)).toEqual([]);
    expect(planSlots([claim('gpu', 1, 1), claim('cpu', 1, 2)], lanes, fits)).toHaveLength(1);
  });

  it('never exceeds what a claim wants, what a lane holds, or what a statement carries, and leaves no work', () => {
    const claims = fc
      .array(fc.record({ node: fc.constantFrom('a', 'b'), wanted: fc.integer({ min: 0, max: 400 }) }))
      .map((some) => some.map((one, k) => ({ ...one, arrival: k + 1 })));
    const lanes = fc
      .uniqueArray(fc.integer({ min: 1, max: 60 }))
      .chain((ids) => fc.tuple(...ids.map((id) => fc.integer({ min: 1, max: 300 }).map((n) => open(id, n)))));
    const fits = ({ id }: Lane, node: string) => node === 'a' || id % 2 === 0;
    fc.assert(
      fc.property(claims, lanes, (some, board) => {
        const slots = planSlots(some, board, fits);
        const of = (id: number) => slots.filter((slot) => slot.lane_id === id).length;
        const got = (one: object) => slots.filter((slot) => slot.claim === one).length;
        expect(slots.length).toBeLessThanOrEqual(MAX_SLOTS);
        expect(new Set(slots.map((slot) => slot.lane_id)).size).toBeLessThanOrEqual(MAX_LANES);
        for (const { lane: one, expected } of board) expect(of(one.id)).toBeLessThanOrEqual(expected);
        for (const one of some) expect(got(one)).toBeLessThanOrEqual(one.wanted);
        const isHungry = some.some(
          (one) =>
            got(one) < one.wanted && board.some((o) => fits(o.lane, one.node) && of(o.lane.id) < o.expected),
        );
        if (isHungry && slots.length < MAX_SLOTS)
          expect(new Set(slots.map((slot) => slot.lane_id)).size).toBe(MAX_LANES);
      }),
    );
  });
});
