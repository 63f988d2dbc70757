/**
 * How long an attempt's lease surely stands. Counted on the monotonic clock, which no operator sets back,
 * from the moment the request that granted it was sent: the master began to count later, so this ends first.
 */
export class LeaseClock {
  private endsAt: number;

  constructor(sentAt: number, seconds: number) {
    this.endsAt = sentAt + seconds * 1000;
  }

  renew(sentAt: number, seconds: number): void {
    this.endsAt = Math.max(this.endsAt, sentAt + seconds * 1000);
  }

  /** Milliseconds; zero once it is over. */
  remaining(now: number = monotonicNow()): number {
    return Math.max(0, this.endsAt - now);
  }
}

/** Milliseconds since some fixed moment. */
export function monotonicNow(): number {
  return performance.now();
}
