import type { Milliseconds } from '../config/durations.js';
import type { NodeRow } from '../nodes/node-row.js';
import type { AttemptRow } from './claim.repository.js';

/** Tells whether whoever asked is still there to take an answer. */
export interface Asker {
  readonly gone: boolean;
  /** Calls `listener` when the connection closes before the answer was sent. */
  onGone(listener: () => void): void;
}

/** One claim from its arrival to its answer. */
export class WaitingClaim {
  /** As this master knows it now; `ParkedClaims` replaces it. */
  node: NodeRow;
  readonly claim_id: string;
  readonly arrival: number;
  readonly max_jobs: number;
  /** Of its attempts, where it is not `workers.lease_duration`. */
  readonly lease: Milliseconds | undefined;
  /** When it is answered even if empty: `performance.now()` in milliseconds. */
  readonly deadline: number;
  readonly asker: Asker;
  readonly answer: Promise<AttemptRow[]>;
  /** The node had no room, or drained, when last tried; tried again at the next resync. */
  full = false;
  /** Its time is over, and the lane heads are being, or were, read once more on its behalf. */
  looking = false;
  /** It rides in the statement that is in flight. */
  riding = false;
  /** Since that statement was sent an attempt of its node has ended, or all was looked at anew. */
  freed = false;
  answered = false;

  private resolve!: (attempts: AttemptRow[]) => void;
  private reject!: (error: unknown) => void;

  constructor(options: {
    node: NodeRow;
    claim_id: string;
    arrival: number;
    max_jobs: number;
    lease?: Milliseconds | undefined;
    wait: number;
    asker: Asker;
  }) {
    this.node = options.node;
    this.claim_id = options.claim_id;
    this.arrival = options.arrival;
    this.max_jobs = options.max_jobs;
    this.lease = options.lease;
    this.deadline = performance.now() + options.wait;
    this.asker = options.asker;
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Slots that it may be given now. */
  get wanted(): number {
    return this.full || this.riding || this.asker.gone ? 0 : this.max_jobs;
  }

  /** Whether it may go on waiting. */
  get patient(): boolean {
    return performance.now() < this.deadline;
  }

  give(attempts: AttemptRow[]): void {
    this.answered = true;
    this.resolve(attempts);
  }

  fail(error: unknown): void {
    this.answered = true;
    this.reject(error);
  }
}
