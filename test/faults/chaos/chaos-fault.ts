/** A fault that chaos may inject at any moment, and what it may act on. */
import type { Rig } from '../rig/rig.js';
import type { StandbyPair } from '../rig/standby-pair.js';

export interface Stage {
  readonly rig: Rig;
  readonly pair: StandbyPair;
  /** A whole number from `from` to `to`. */
  between(from: number, to: number): number;
  /** Until so many milliseconds of the fault are over, or chaos ends: one that is cut short so is not counted. */
  lasts(milliseconds: number): Promise<void>;
}

export interface ChaosFault {
  /** Begins with its number in guarantees.md: `F2 leader killed`. */
  readonly name: string;
  /** Faults of one kind exclude one another: a server cannot be restarted while it is promoted. */
  readonly excludes?: 'database' | 'master' | 'real worker';
  /**
   * Injects it, waits for as long as it lasts, and heals. Answers in words what happened, or undefined where it
   * could not happen now. Throws where what must happen then did not.
   */
  inject(stage: Stage): Promise<string | undefined>;
}
