import { Injectable } from '@nestjs/common';
import type { Term } from '../leadership/leadership.js';
import { Signals } from '../signals/signals.js';
import { type Duty, whileFull } from './duty.js';
import { PROMOTIONS_A_STATEMENT, PromoteDueJobsRepository } from './promote-due-jobs.repository.js';
import { signalLanes } from './waiting-again.sql.js';

/** Milliseconds. A lost `due` signal costs this much and the time of a statement: within 1 s in all. */
const LOOK_EVERY = 800;

/**
 * Jobs whose time has come (a run_at, or the backoff of a retry) become claimable. A timer stands at the
 * next due time that is known: each run reads it, each `due` signal may bring an earlier one.
 *
 * Due times are the database's. Its clock is compared with the monotonic one of this process at each run,
 * so that a wrong or moving clock of this machine makes nothing late.
 */
@Injectable()
export class PromoteDueJobs implements Duty {
  readonly name = 'promote-due-jobs';
  readonly every = LOOK_EVERY;
  #runNow: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #armedFor = Infinity;
  /** What to add to the monotonic clock to get the database's. */
  #offset: number | undefined;

  constructor(
    private readonly repository: PromoteDueJobsRepository,
    private readonly signals: Signals,
  ) {}

  onTerm(runNow: () => void): () => void {
    this.#runNow = runNow;
    const forget = this.signals.on('due', (key) => this.#arm(Number(key)));
    return () => {
      forget();
      this.#disarm();
      this.#runNow = () => undefined;
    };
  }

  async run(term: Term): Promise<number> {
    this.#disarm();
    let nextDue: number | null = null;
    const promoted = await whileFull(PROMOTIONS_A_STATEMENT, async () => {
      const done = await this.repository.promote(term);
      this.#offset = done.database_now - performance.now();
      nextDue = done.next_due;
      signalLanes(this.signals, done.lanes);
      if (done.rows > 0) this.signals.send('event');
      return done.rows;
    });
    if (nextDue !== null) this.#arm(nextDue);
    return promoted;
  }

  #arm(due: number): void {
    if (this.#offset === undefined || !(due < this.#armedFor)) return;
    const delay = due - (performance.now() + this.#offset);
    // The next look comes sooner, and setTimeout takes no more than 24 days.
    if (delay > 2 * LOOK_EVERY) return;
    this.#disarm();
    this.#armedFor = due;
    this.#timer = setTimeout(
      () => {
        this.#disarm();
        this.#runNow();
      },
      Math.max(0, Math.ceil(delay)),
    );
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#armedFor = Infinity;
  }
}
