/** `Leadership` by election; leadership.ts tells the whole. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { Milliseconds } from '../config/durations.js';
import type { Logger } from '../logging/logger.js';
import type { Signals } from '../signals/signals.js';
import { Leadership, type Term } from './leadership.js';
import type { LeadershipMetrics } from './leadership.metrics.js';
import type { LockSession } from './lock-session.js';

/** All in milliseconds. */
const TRY_EVERY = 100;
const PING_EVERY = 500;
/** From sending a ping that was answered. The server's idle_session_timeout is 2,000. */
const TRUST_FOR = 1_500;
const AWAY_AFTER_RESIGNING = 2_000;
const STOPPED_WITHIN = 300;
const FIRST_RETRY = 50;
const LAST_RETRY = 500;

export interface ElectionOptions {
  readonly masterId: string;
  /** `scheduler.enabled`: false and this master never leads. */
  readonly enabled: boolean;
  readonly openSession: () => Promise<LockSession>;
  readonly signals: Signals;
  readonly metrics: LeadershipMetrics;
  readonly logger: Logger;
}

type TermListener = (term: Term) => void;

/** A term in office on its session. */
interface Office {
  readonly term: Term;
  readonly session: LockSession;
  /** By the monotonic clock: when the last answered ping was sent. */
  confirmedAt: Milliseconds;
  readonly end: () => void;
}

export class Election extends Leadership implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #startListeners = new Set<TermListener>();
  readonly #endListeners = new Set<TermListener>();
  readonly #stopping = new AbortController();
  #campaign: Promise<void> | undefined;
  #office: Office | undefined;
  #awayUntil: Milliseconds = 0;
  #wake = () => undefined as void;

  constructor(private readonly options: ElectionOptions) {
    super();
    options.metrics.watch(() => this.term);
    options.signals.on('leader', () => this.#wake());
  }

  get term(): Term | undefined {
    return this.#office !== undefined && isTrusted(this.#office) ? this.#office.term : undefined;
  }

  onTermStart(listener: TermListener): () => void {
    this.#startListeners.add(listener);
    return () => this.#startListeners.delete(listener);
  }

  onTermEnd(listener: TermListener): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Begins to campaign. Does not wait for the database. */
  onApplicationBootstrap(): void {
    if (this.options.enabled) this.#campaign ??= this.#run();
  }

  /** Resigns and takes no part any more. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#giveUp('this master is shutting down');
    // It may be waiting for a server that does not answer, and has nothing to lose then.
    await Promise.race([this.#campaign, sleep(STOPPED_WITHIN)]);
  }

  async resign(): Promise<boolean> {
    this.#awayUntil = performance.now() + AWAY_AFTER_RESIGNING;
    return this.#giveUp('this master resigned');
  }

  stepDown(term: Term, reason: string): void {
    const office = this.#office;
    if (office?.term.epoch !== term.epoch) return;
    this.#office = undefined;
    this.options.logger.warn({ epoch: term.epoch, reason }, 'this master no longer leads');
    for (const listener of this.#endListeners) this.#tell(listener, term);
    office.end();
  }

  async #giveUp(reason: string): Promise<boolean> {
    const office = this.#office;
    if (office === undefined) return false;
    this.#office = undefined;
    this.options.logger.info({ epoch: office.term.epoch, reason }, 'this master no longer leads');
    for (const listener of this.#endListeners) this.#tell(listener, office.term);
    // Unanswered in time, it cuts the session; either way the lock is free then.
    await office.session.release(office.term).catch(() => undefined);
    this.options.signals.send('leader');
    office.end();
    return true;
  }

  async #run(): Promise<void> {
    let retry = FIRST_RETRY;
    let lastProblem: string | undefined;
    while (!this.#stopping.signal.aborted) {
      let session: LockSession | undefined;
      try {
        await this.#stayAway();
        session = await this.options.openSession();
        retry = FIRST_RETRY;
        lastProblem = undefined;
        await this.#follow(session);
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        // While the database is away each attempt says the same.
        if (problem !== lastProblem) this.options.logger.warn({ err: error }, 'the lock session failed');
        lastProblem = problem;
        await this.#rest(retry);
        retry = Math.min(LAST_RETRY, retry * 2);
      } finally {
        await session?.end().catch(() => undefined);
      }
    }
  }

  /** Tries until the lock is won, then leads until the term ends. */
  async #follow(session: LockSession): Promise<void> {
    while (!this.#stopping.signal.aborted && !this.#isAway()) {
      if (await session.tryLock()) {
        await this.#lead(session);
        return;
      }
      // Jitter, so that followers which began together do not keep trying together.
      await this.#rest(TRY_EVERY * (0.75 + Math.random() / 2));
    }
  }

  async #lead(session: LockSession): Promise<void> {
    const { changed, ...term } = await session.startTerm(this.options.masterId);
    // It may have waited for the last term's statements, so what it confirmed may be long ago.
    const confirmedAt = performance.now();
    await session.ping();
    if (this.#stopping.signal.aborted || this.#isAway()) return;
    if (changed) {
      this.options.logger.warn(term, 'the database is not the one of the last term: epoch and tokens jumped');
    }

    let unwatch = () => undefined as void;
    await new Promise<void>((resolve) => {
      const office: Office = { term, session, confirmedAt, end: resolve };
      session.onLost((reason) => this.stepDown(term, `the lock session was lost: ${reason.message}`));
      unwatch = this.#watch(office);
      this.#office = office;
      this.options.metrics.termStarted();
      this.options.logger.info({ epoch: term.epoch }, 'this master leads');
      for (const listener of this.#startListeners) this.#tell(listener, term);
      this.options.signals.send('leader');
    });
    unwatch();
  }

  /**
   * Pings, and ends the term where no ping was answered in time; a late timer finds that before all else.
   * @returns what ends the watch
   */
  #watch(office: Office): () => void {
    let pinging = false;
    let trust: NodeJS.Timeout | undefined;
    const holds = (): boolean => {
      if (isTrusted(office)) return true;
      const silence = Math.round(performance.now() - office.confirmedAt);
      this.stepDown(office.term, `no ping was answered for ${silence} ms, or the event loop stood still`);
      return false;
    };
    // At the end of the window, not by looking again and again: an idle leader wakes for its pings alone.
    const confirm = (sentAt: Milliseconds) => {
      office.confirmedAt = sentAt;
      clearTimeout(trust);
      trust = setTimeout(holds, sentAt + TRUST_FOR + 1 - performance.now());
    };
    const ping = async () => {
      pinging = true;
      const sentAt = performance.now();
      try {
        await office.session.ping();
        if (this.#office === office) confirm(sentAt);
      } catch (error) {
        this.stepDown(
          office.term,
          `a ping failed: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
      pinging = false;
    };
    confirm(office.confirmedAt);
    const pings = setInterval(() => {
      if (holds() && !pinging) void ping();
    }, PING_EVERY);
    return () => {
      clearInterval(pings);
      clearTimeout(trust);
    };
  }

  #isAway(): boolean {
    return performance.now() < this.#awayUntil;
  }

  async #stayAway(): Promise<void> {
    while (this.#isAway() && !this.#stopping.signal.aborted) {
      await sleep(this.#awayUntil - performance.now(), undefined, { signal: this.#stopping.signal }).catch(
        () => undefined,
      );
    }
  }

  /** Until the time is over, a `leader` signal comes, or this master stops. */
  #rest(time: Milliseconds): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, time);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #tell(listener: TermListener, term: Term): void {
    try {
      listener(term);
    } catch (error) {
      this.options.logger.error({ err: error }, 'a listener of leadership failed');
    }
  }
}

function isTrusted({ confirmedAt }: Office): boolean {
  return performance.now() - confirmedAt <= TRUST_FOR;
}
