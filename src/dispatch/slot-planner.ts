import type { Lane } from '../jobs/lanes.repository.js';

/** A claim that waits for jobs, as the planner sees it. */
export interface Applicant<Node> {
  readonly node: Node;
  /** Rises with each claim that arrives. */
  readonly arrival: number;
  /** Slots that it may be given now; 0 where its node has no room. */
  readonly wanted: number;
}

export interface OpenLane {
  readonly lane: Lane;
  /** Jobs that may wait there. */
  readonly expected: number;
  /**
   * No claim that arrived up to here fits. Written by the planner: a lane that no node can run would
   * otherwise be held against every parked claim at every plan (200 such lanes and 10,000 parked claims
   * took 180 ms each time).
   */
  unfitUpTo: number;
}

export interface PlannedSlot<Claim> {
  readonly claim: Claim;
  readonly lane_id: number;
}

/** Lanes in one statement: each is one probe of the index under the counters' locks. */
export const MAX_LANES = 16;

/** Slots in one statement. */
export const MAX_SLOTS = 1000;

/**
 * Gives each free slot to one lane: lanes in the order in which they are to be served, each to the claims
 * that came first and fit, and no lane more slots than it may hold jobs. What does not fit in one
 * statement rides in the next. Pure, but for what it notes in `unfitUpTo`.
 *
 * @param claims all that wait, in the order of arrival, those without room included
 */
export function planSlots<Node, Claim extends Applicant<Node>>(
  claims: readonly Claim[],
  lanes: readonly OpenLane[],
  fits: (lane: Lane, node: Node) => boolean,
): PlannedSlot<Claim>[] {
  const slots: PlannedSlot<Claim>[] = [];
  const wanted = claims.map((claim) => claim.wanted);
  let left = wanted.reduce((sum, one) => sum + one, 0);
  let used = 0;
  for (const open of lanes) {
    if (left === 0 || used >= MAX_LANES || slots.length >= MAX_SLOTS) break;
    const before = slots.length;
    let room = Math.min(Math.max(1, open.expected), MAX_SLOTS - before);
    let noneFitted = true;
    for (let k = firstAfter(claims, open.unfitUpTo); k < claims.length && room > 0; k += 1) {
      const claim = claims[k] as Claim;
      if (!fits(open.lane, claim.node)) {
        if (noneFitted) open.unfitUpTo = claim.arrival;
        continue;
      }
      noneFitted = false;
      const given = Math.min(room, wanted[k] ?? 0);
      for (let n = 0; n < given; n += 1) slots.push({ claim, lane_id: open.lane.id });
      wanted[k] = (wanted[k] ?? 0) - given;
      room -= given;
      left -= given;
    }
    if (slots.length > before) used += 1;
  }
  return slots;
}

/** Index of the first claim that arrived after `arrival`. */
function firstAfter(claims: readonly { readonly arrival: number }[], arrival: number): number {
  let [low, high] = [0, claims.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((claims[middle]?.arrival ?? Infinity) <= arrival) low = middle + 1;
    else high = middle;
  }
  return low;
}
