/**
 * Finds parked claims that another master has answered. A worker whose connection is half-open asks again elsewhere, with
 * the same claim id; both masters then hold the claim, and where the first one is given jobs, the worker hears of it
 * from neither: its second claim would wait to its end, and the attempts for their leases.
 *
 * At a resync one statement reads which claims began attempts lately, by the lease tokens, whatever number is parked
 * here. Only where something was heard of that lets jobs begin, or at every fifth resync, since signals may be lost: an
 * idle master asks once in five.
 */
import type { Signals } from '../signals/signals.js';
import type { ArrivalsRepository } from './arrivals.repository.js';
import type { ParkedClaims } from './parked-claims.js';
import type { WaitingClaim } from './waiting-claim.js';

/** A signal comes before the claim's commit that it leads to: the second look sees what the first was too early for. */
const LOOKS_AFTER_NEWS = 2;

const RESYNCS_WITHOUT_NEWS = 5;

/** Tokens are given before their commit. Reading is begun this long behind the newest, at least; in milliseconds. */
const BEHIND = 5_000;

export class AnsweredElsewhere {
  private looksDue = LOOKS_AFTER_NEWS;
  private skipped = 0;
  /** Tokens up to here are read no more; those up to `newest` from `turnedAt` + `BEHIND` on. */
  private mark = 0;
  private newest = 0;
  private turnedAt = -Infinity;

  constructor(
    private readonly repository: ArrivalsRepository,
    private readonly parked: ParkedClaims,
  ) {}

  /** @returns functions that end it */
  listen(signals: Signals): (() => void)[] {
    const news = () => {
      this.looksDue = LOOKS_AFTER_NEWS;
    };
    return (['lane', 'queue', 'node', 'event'] as const).map((topic) => signals.on(topic, news));
  }

  /** Whether attempts may have begun since the last looks. */
  get mayBe(): boolean {
    return this.looksDue > 0;
  }

  /** Call it at each resync. Answers the claims that were answered; none where the database is away. */
  async look(): Promise<WaitingClaim[]> {
    if (this.parked.size === 0) return [];
    if (!this.mayBe && (this.skipped += 1) < RESYNCS_WITHOUT_NEWS) return [];
    this.skipped = 0;
    this.looksDue = Math.max(0, this.looksDue - 1);
    try {
      return await this.read();
    } catch {
      this.looksDue = LOOKS_AFTER_NEWS;
      return [];
    }
  }

  private async read(): Promise<WaitingClaim[]> {
    const began = performance.now();
    const answers = await this.repository.answeredAfter(this.mark);
    let newest = this.newest;
    const claims = new Set<WaitingClaim>();
    for (const { lease_token, node_id, claim_id } of answers) {
      newest = Math.max(newest, lease_token);
      const claim = this.parked.find(node_id, claim_id);
      // One that rides is told so by its statement.
      if (claim && !claim.riding) claims.add(claim);
    }
    if (began - this.turnedAt > BEHIND) {
      this.mark = this.newest;
      this.newest = newest;
      this.turnedAt = began;
    }
    return [...claims];
  }
}
