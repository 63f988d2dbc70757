import type { Lane } from '../jobs/lanes.repository.js';

/** A claim that waits for jobs, as the planner sees it. */
export interface Applicant {
  /** Rises with each claim that arrives. */
  readonly arrival: number;
  /** Slots that it may be given now; 0 where its node has no room. */
  readonly wanted: number;
}

/** Claims of nodes that may run the same lanes, in the order of arrival. */
export interface ApplicantGroup<Claim extends Applicant> {
  readonly claims: Iterable<Claim>;
}

export interface OpenLane {
  readonly lane: Lane;
  /** Jobs that may wait there. */
  readonly expected: number;
}

/** What one claim may take from one lane. */
export interface PlannedPart<Claim> {
  readonly claim: Claim;
  readonly lane_id: number;
  readonly wanted: number;
}

/** Lanes in one statement: each is one probe of the index under the counters' locks. */
export const MAX_LANES = 16;

/** Slots in one statement. */
export const MAX_SLOTS = 1000;

/**
 * Gives each free slot to one lane: lanes in the order in which they are to be served, each to the claims
 * that came first and fit, and no lane more slots than it may hold jobs. What does not fit in one
 * statement rides in the next. Pure. Reads no more claims than it gives slots to: 10,000 that are parked
 * cost nothing when one job comes.
 */
export function planSlots<Claim extends Applicant, Group extends ApplicantGroup<Claim>>(
  groups: readonly Group[],
  lanes: readonly OpenLane[],
  fits: (lane: Lane, group: Group) => boolean,
): PlannedPart<Claim>[] {
  const parts: PlannedPart<Claim>[] = [];
  let lines = groups.map((group) => new Line<Claim, Group>(group)).filter((line) => line.first);
  let planned = 0;
  let used = 0;
  for (const { lane, expected } of lanes) {
    if (lines.length === 0 || used >= MAX_LANES || planned >= MAX_SLOTS) break;
    const before = planned;
    const limit = Math.min(planned + Math.max(1, expected), MAX_SLOTS);
    const fitting = lines.filter((line) => fits(lane, line.group)).sort(byArrival);
    for (let k = 0; k < fitting.length && planned < limit;) {
      const line = fitting[k] as Line<Claim, Group>;
      const claim = line.first as Claim;
      const wanted = line.take(limit - planned);
      parts.push({ claim, lane_id: lane.id, wanted });
      planned += wanted;
      if (line.first === claim) continue;
      if (line.first) moveBack(fitting, k);
      else k += 1;
    }
    if (planned > before) used += 1;
    lines = lines.filter((line) => line.first);
  }
  return parts;
}

/** A group's claims, of which the first that still wants slots is served. */
class Line<Claim extends Applicant, Group extends ApplicantGroup<Claim>> {
  first: Claim | undefined;
  private left = 0;
  private readonly claims: Iterator<Claim>;

  constructor(readonly group: Group) {
    this.claims = group.claims[Symbol.iterator]();
    this.advance();
  }

  /** Slots that the first claim gets, at most `most`; then perhaps another is first. */
  take(most: number): number {
    const taken = Math.min(most, this.left);
    this.left -= taken;
    if (this.left === 0) this.advance();
    return taken;
  }

  private advance(): void {
    this.first = undefined;
    for (let next = this.claims.next(); !next.done; next = this.claims.next()) {
      if (next.value.wanted <= 0) continue;
      this.first = next.value;
      this.left = next.value.wanted;
      return;
    }
  }
}

interface Queue {
  readonly first: Applicant | undefined;
}

function byArrival(a: Queue, b: Queue): number {
  return (a.first?.arrival ?? 0) - (b.first?.arrival ?? 0);
}

/** Brings the line at `k`, whose first claim is another now, to its place among those behind it. */
function moveBack(lines: Queue[], k: number): void {
  for (let at = k; at + 1 < lines.length; at += 1) {
    const [here, next] = [lines[at], lines[at + 1]];
    if (!here || !next || byArrival(here, next) <= 0) return;
    lines[at] = next;
    lines[at + 1] = here;
  }
}
