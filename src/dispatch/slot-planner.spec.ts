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
const open = (id: number, expected: number): OpenLane => ({ lane: lane(id), expected });

interface Claim {
  readonly node: string;
  readonly wanted: number;
  readonly arrival: number;
}

const claim = (node: string, wanted: number, arrival: number): Claim => ({ node, wanted, arrival });

interface Kind {
  readonly node: string;
  readonly claims: Iterable<Claim>;
}

/** Claims as they are parked: by kind of node, each group in the order of arrival. */
function parked(claims: readonly Claim[]): Kind[] {
  const kinds = [...new Set(claims.map(({ node }) => node))];
  return kinds.map((node) => ({ node, claims: claims.filter((one) => one.node === node) }));
}

describe('planSlots', () => {
  it('serves the best lane first and the claim that came first', () => {
    const claims = parked([claim('a', 2, 1), claim('b', 1, 2)]);
    const parts = planSlots<Claim, Kind>(claims, [open(7, 1), open(3, 9)], () => true);
    expect(parts.map((part) => [part.claim.node, part.lane_id, part.wanted])).toEqual([
      ['a', 7, 1],
      ['a', 3, 1],
      ['b', 3, 1],
    ]);
  });

  it('serves by arrival across kinds of nodes', () => {
    const claims = parked(Array.from({ length: 9 }, (_, k) => claim('abc'[k % 3]!, 1, k)));
    const parts = planSlots(claims, [open(1, 7)], () => true);
    expect(parts.map((part) => part.claim.arrival)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('passes over a lane that a node may not run, without blocking what stands behind it', () => {
    const parts = planSlots(parked([claim('cpu', 1, 1)]), [open(1, 5), open(2, 5)], ({ id }) => id === 2);
    expect(parts.map((part) => part.lane_id)).toEqual([2]);
  });

  it('holds a lane against each kind of node once, however many claims are parked', () => {
    const asked: string[] = [];
    const fits = (_: Lane, { node }: { node: string }): boolean => asked.push(node) > 0 && node === 'gpu';
    const claims = Array.from({ length: 50 }, (_, k) => claim('cpu', 1, k + 1));
    expect(planSlots(parked(claims), [open(1, 5)], fits)).toEqual([]);
    expect(planSlots(parked([...claims, claim('gpu', 1, 51)]), [open(1, 5)], fits)).toHaveLength(1);
    expect(asked).toEqual(['cpu', 'cpu', 'gpu']);
  });

  it('reads no more claims than it gives slots to', () => {
    let read = 0;
    const endless = function* () {
      for (;;) yield claim('a', 1, (read += 1));
    };
    const group = { node: 'a', claims: { [Symbol.iterator]: endless } };
    expect(planSlots([group], [open(1, 3)], () => true)).toHaveLength(3);
    expect(read).toBe(4);
  });

  it('passes over a claim whose node has no room now', () => {
    const claims = parked([claim('gpu', 0, 1), claim('gpu', 1, 2)]);
    const [part] = planSlots(claims, [open(1, 5)], () => true);
    expect(part?.claim.arrival).toBe(2);
  });

  it('never exceeds what a claim wants, what a lane holds, or what a statement carries, and leaves no work', () => {
    const claims = fc
      .array(fc.record({ node: fc.constantFrom('a', 'b'), wanted: fc.integer({ min: 0, max: 400 }) }))
      .map((some) => some.map((one, k) => ({ ...one, arrival: k + 1 })));
    const lanes = fc
      .uniqueArray(fc.integer({ min: 1, max: 60 }))
      .chain((ids) => fc.tuple(...ids.map((id) => fc.integer({ min: 1, max: 300 }).map((n) => open(id, n)))));
    const may = ({ id }: Lane, node: string) => node === 'a' || id % 2 === 0;
    fc.assert(
      fc.property(claims, lanes, (some, board) => {
        const parts = planSlots(parked(some), board, (one, { node }) => may(one, node));
        const sum = (which: (part: (typeof parts)[number]) => boolean) =>
          parts.filter(which).reduce((all, part) => all + part.wanted, 0);
        const of = (id: number) => sum((part) => part.lane_id === id);
        const got = (one: object) => sum((part) => part.claim === one);
        const planned = sum(() => true);
        expect(planned).toBeLessThanOrEqual(MAX_SLOTS);
        expect(new Set(parts.map((part) => part.lane_id)).size).toBeLessThanOrEqual(MAX_LANES);
        for (const { lane: one, expected } of board) expect(of(one.id)).toBeLessThanOrEqual(expected);
        for (const one of some) expect(got(one)).toBeLessThanOrEqual(one.wanted);
        const isHungry = some.some(
          (one) =>
            got(one) < one.wanted && board.some((o) => may(o.lane, one.node) && of(o.lane.id) < o.expected),
        );
        if (isHungry && planned < MAX_SLOTS)
          expect(new Set(parts.map((part) => part.lane_id)).size).toBe(MAX_LANES);
      }),
    );
  });
});
