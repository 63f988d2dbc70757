/**
 * Who may hold a connection of the pool. Some places are kept for the hot path (claims, reports, heartbeats,
 * submits, logs), so that slow lists, statistics or duties on all others cannot delay it. Whoever waits is
 * served in the order of arrival, but for ordinary statements while they fill their share; so neither side
 * starves the other.
 */

/** Groups of the hot path seldom have more statements in flight; half of a small pool is left to the others. */
const RESERVED = 4;

interface Waiter {
  readonly arrival: number;
  readonly admit: () => void;
  gone: boolean;
}

export class ConnectionPlaces {
  /** Most connections that ordinary statements may hold at once. */
  readonly ordinary: number;
  readonly #waitingHot: Waiter[] = [];
  readonly #waitingOrdinary: Waiter[] = [];
  #held = 0;
  #heldByOrdinary = 0;
  #arrivals = 0;
  #waiting = 0;

  constructor(readonly all: number) {
    this.ordinary = all - Math.min(RESERVED, Math.floor(all / 2));
  }

  /** Statements that wait for a place. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Answers whether there was a place within so many milliseconds. Each place taken is given back once. */
  take(hot: boolean, withinMs: number): Promise<boolean> {
    const queue = hot ? this.#waitingHot : this.#waitingOrdinary;
    if (!this.#isWaitedFor(queue) && this.#hasRoom(hot)) {
      this.#hold(hot);
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const leave = (admitted: boolean) => {
        clearTimeout(timer);
        waiter.gone = true;
        this.#waiting -= 1;
        resolve(admitted);
      };
      const timer = setTimeout(() => leave(false), withinMs).unref();
      const waiter = { arrival: (this.#arrivals += 1), gone: false, admit: () => leave(true) };
      this.#waiting += 1;
      queue.push(waiter);
    });
  }

  give(hot: boolean): void {
    this.#held -= 1;
    if (!hot) this.#heldByOrdinary -= 1;
    this.#admit();
  }

  #admit(): void {
    for (;;) {
      const hot = this.#hasRoom(true) ? this.#first(this.#waitingHot) : undefined;
      const ordinary = this.#hasRoom(false) ? this.#first(this.#waitingOrdinary) : undefined;
      const isHot = hot !== undefined && (ordinary === undefined || hot.arrival < ordinary.arrival);
      const next = isHot ? this.#waitingHot.shift() : ordinary && this.#waitingOrdinary.shift();
      if (next === undefined) return;
      this.#hold(isHot);
      next.admit();
    }
  }

  #hasRoom(hot: boolean): boolean {
    return this.#held < this.all && (hot || this.#heldByOrdinary < this.ordinary);
  }

  #hold(hot: boolean): void {
    this.#held += 1;
    if (!hot) this.#heldByOrdinary += 1;
  }

  #isWaitedFor(queue: Waiter[]): boolean {
    return this.#first(queue) !== undefined;
  }

  #first(queue: Waiter[]): Waiter | undefined {
    while (queue[0]?.gone === true) queue.shift();
    return queue[0];
  }
}
