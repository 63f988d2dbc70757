/** A limit on the time that something runs: while it is paused, none of it is used up. */

import { monotonicNow } from './lease-clock.js';

export class UnpausedTimer {
  private timer: NodeJS.Timeout | undefined;
  private startedAt = 0;
  private over = false;
  private stopped = false;

  /** Starts at once; without a limit it never ends. */
  constructor(
    private leftMs: number = Infinity,
    private readonly onOver: () => void,
  ) {
    this.run();
  }

  get isOver(): boolean {
    return this.over;
  }

  setPaused(paused: boolean): void {
    if (this.stopped || this.over || paused === (this.timer === undefined)) return;
    if (!paused) return this.run();
    this.halt();
    this.leftMs -= monotonicNow() - this.startedAt;
  }

  stop(): void {
    this.stopped = true;
    this.halt();
  }

  private run(): void {
    if (this.leftMs === Infinity) return;
    this.startedAt = monotonicNow();
    this.timer = setTimeout(
      () => {
        this.over = true;
        this.onOver();
      },
      Math.max(0, this.leftMs),
    );
  }

  private halt(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
