import type { Milliseconds } from '../config/durations.js';
import type { WaitingClaim } from './waiting-claim.js';

/** Width of a slot of time: a claim is told this late that its time is over, and all of one slot at once. */
const SLOT: Milliseconds = 100;

/**
 * Tells when the time of parked claims is over. A timer a slot of time, so that a thousand claims which wait cost
 * nothing until then: looked through every 100 ms, they woke an idle master ten times a second.
 */
export class Deadlines {
  private readonly slots = new Map<
    number,
    { readonly timer: NodeJS.Timeout; readonly claims: Set<WaitingClaim> }
  >();

  constructor(private readonly onOver: (claims: WaitingClaim[]) => void) {}

  add(claim: WaitingClaim): void {
    const slot = slotOf(claim);
    let known = this.slots.get(slot);
    if (!known) {
      const timer = setTimeout(() => this.end(slot), slot * SLOT - performance.now());
      timer.unref();
      this.slots.set(slot, (known = { timer, claims: new Set() }));
    }
    known.claims.add(claim);
  }

  /** The claim was answered. */
  remove(claim: WaitingClaim): void {
    this.slots.get(slotOf(claim))?.claims.delete(claim);
  }

  clear(): void {
    for (const { timer } of this.slots.values()) clearTimeout(timer);
    this.slots.clear();
  }

  private end(slot: number): void {
    const claims = this.slots.get(slot)?.claims ?? [];
    this.slots.delete(slot);
    const [over, early]: [WaitingClaim[], WaitingClaim[]] = [[], []];
    for (const claim of claims) (claim.patient ? early : over).push(claim);
    if (over.length > 0) this.onOver(over);
    for (const claim of early) this.add(claim);
  }
}

/** The slot that begins at its deadline or after it. */
function slotOf({ deadline }: WaitingClaim): number {
  return Math.ceil(deadline / SLOT);
}
