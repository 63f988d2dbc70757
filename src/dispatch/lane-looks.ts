import type { LaneHead, LaneOffer } from './claim.repository.js';

/** Milliseconds from one whole look to the next where claims go on. */
const DUE = 5_000;

/** Milliseconds from the end of one whole look to the end of the next: a job that it finds waits for 10 s at most. */
const AT_LATEST = 8_000;
const AT_EARLIEST = 1_000;

/**
 * Whole looks take at most this share of the time, for as long as `AT_LATEST` allows. Where a foreign transaction
 * keeps dead rows, each reads through all that was ever consumed: 700,000 rows every second were half the
 * server's time.
 */
const SHARE = 0.05;

/**
 * Where a lane was announced and its claims found nothing above its mark, in milliseconds: a row that somebody
 * keeps locked is seen by each look and found by no claim.
 */
const AGAIN_AFTER = 100;

/**
 * Looks at the heads of lanes: whole ones read each lane from its beginning, as often as they are cheap; the others
 * read from the low-water marks. A late commit, a locker that rolled back, or a job that re-entered while its signal
 * was lost stands below a mark, and is found by a whole look alone.
 */
export class LaneLooks {
  /** `performance.now()` at the beginning of the last whole look, and how soon after it the next may be. */
  private wholeAt = -Infinity;
  private pause = 0;

  constructor(
    private readonly repository: {
      wholeLaneHeads(): Promise<LaneHead[]>;
      laneHeadsAbove(marks: readonly LaneOffer[]): Promise<LaneHead[]>;
    },
    private readonly marks: () => LaneOffer[],
  ) {}

  /** `whole`: lanes that are not among the heads have nothing that waits. */
  async read(): Promise<{ heads: LaneHead[]; whole: boolean }> {
    const began = performance.now();
    if (began - this.wholeAt < this.pause) {
      return { heads: await this.repository.laneHeadsAbove(this.marks()), whole: false };
    }
    this.wholeAt = began;
    try {
      return { heads: await this.repository.wholeLaneHeads(), whole: true };
    } finally {
      const took = performance.now() - began;
      this.pause = Math.min(took / SHARE, Math.max(AT_EARLIEST, AT_LATEST - took));
    }
  }

  /** Whether claims that go on should have the whole lanes looked at. */
  get isDue(): boolean {
    return performance.now() - this.wholeAt > Math.max(DUE, this.pause);
  }

  /** Milliseconds until a whole look may be taken for a lane that seems emptier than it was announced. */
  get mayBeIn(): number {
    // Timers count whole milliseconds, and may come a fraction early.
    return Math.ceil(this.wholeAt + Math.max(AGAIN_AFTER, this.pause) - performance.now()) + 1;
  }
}
