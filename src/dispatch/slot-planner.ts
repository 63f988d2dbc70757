import type { Lane } from '../jobs/lanes.repository.js';

/** A claim that waits for jobs, as the planner sees it. */
export interface Applicant<Node> {
  readonly node: Node;
  readonly wanted: number;
}

export interface OpenLane {
  readonly lane: Lane;
  readonly expected: number;
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
 * Gives each free slot to one lane: claims in the order in which they came, lanes in the order in which
 * they are to be served, and no lane more slots than it may hold jobs. What does not fit in one
 * statement rides in the next. Pure.
 */
export function planSlots<Node, Claim extends Applicant<Node>>(
  claims: readonly Claim[],
  lanes: readonly OpenLane[],
  fits: (lane: Lane, node: Node) => boolean,
): PlannedSlot<Claim>[] {
  const slots: PlannedSlot<Claim>[] = [];
  const left = new Map<number, number>();
  let open = lanes.length;
  for (const claim of claims) {
    if (open === 0 || slots.length >= MAX_SLOTS) break;
    let wanted = Math.min(claim.wanted, MAX_SLOTS - slots.length);
    for (const { lane, expected } of lanes) {
      if (wanted === 0) break;
      const remaining = left.get(lane.id) ?? expected;
      if (remaining <= 0 || (!left.has(lane.id) && left.size >= MAX_LANES) || !fits(lane, claim.node))
        continue;
      const given = Math.min(wanted, remaining);
      for (let k = 0; k < given; k += 1) slots.push({ claim, lane_id: lane.id });
      left.set(lane.id, remaining - given);
      if (remaining === given) open -= 1;
      wanted -= given;
    }
  }
  return slots;
}
