import { availableParallelism } from 'node:os';

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

/** x264 uses some four cores well; a second job beside it then costs less than a second machine. */
const CORES_PER_SLOT = 4;

/** One slot for every four cores, at least one, where `workers` share the machine. */
export function defaultSlots(workers = 1, cores: number = availableParallelism()): number {
  return Math.max(1, Math.floor(cores / CORES_PER_SLOT / workers));
}
