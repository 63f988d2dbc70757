/**
 * Who has the worker's slots: attempts that run, and claims that are out and may bring attempts. A claim
 * asks only for slots that are neither, so that the worker is never given more than it can run.
 */
export class Slots {
  private used = 0;
  private promised = 0;

  constructor(readonly total: number) {}

  get free(): number {
    return Math.max(0, this.total - this.used - this.promised);
  }

  get inUse(): number {
    return this.used;
  }

  /** Sets `count` slots aside for a claim; `settle` ends that when the claim is answered or given up. */
  promise(count: number): { settle(): void } {
    this.promised += count;
    let open = true;
    return {
      settle: () => {
        if (open) this.promised -= count;
        open = false;
      },
    };
  }

  take(): { release(): void } {
    this.used += 1;
    let held = true;
    return {
      release: () => {
        if (held) this.used -= 1;
        held = false;
      },
    };
  }
}
