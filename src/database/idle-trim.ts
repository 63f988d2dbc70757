import type { Pool } from 'pg';

/**
 * Closes what a pool holds idle beyond a number, once it was of no use for a while. Closed as soon as they were
 * released, the connections of each burst were made anew for the next: 20 a second for three masters with
 * a thousand nodes, and half of the CPU that their heartbeats cost.
 */
export class IdleTrim {
  /** Fewest that were idle when one was taken, since the timer was set. */
  #unused = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly keep: number,
    private readonly everyMs: number,
  ) {
    pool.on('acquire', () => (this.#unused = Math.min(this.#unused, pool.idleCount)));
    // Told before it counts as idle.
    pool.on('release', () => this.#watch(pool.idleCount + 1));
  }

  #watch(idle: number): void {
    if (this.#timer !== undefined || idle <= this.keep) return;
    this.#unused = Infinity;
    this.#timer = setTimeout(() => this.#trim(), this.everyMs).unref();
  }

  #trim(): void {
    this.#timer = undefined;
    const unused = Math.min(this.#unused, this.pool.idleCount);
    for (let surplus = unused - this.keep; surplus > 0; surplus -= 1) {
      this.pool.connect().then(
        (client) => client.release(true),
        () => undefined,
      );
    }
    this.#watch(this.pool.idleCount);
  }
}
