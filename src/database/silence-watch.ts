/**
 * Notices that a server has gone without a word: something waits for it, and it has answered nothing at all for a while.
 * A machine that lost its power closes no connection, so that a statement would wait for its own time-out, 6 s.
 */

/** Milliseconds. Masters follow a fail-over within 5 s of the new primary accepting writes. */
const SILENT_AFTER = 1_500;
const LOOK_EVERY = 250;

export class SilenceWatch {
  #waiting = 0;
  #heardAt = 0;
  #looking = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param onSilence does not reject; is not called again before it has resolved */
  constructor(private readonly onSilence: () => Promise<void>) {}

  /** Something waits for the server. */
  begin(): void {
    this.#waiting += 1;
    if (this.#waiting > 1) return;
    this.#heardAt = performance.now();
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY).unref();
  }

  /** It waits no longer. @param heard whether the server said something, if only an error */
  end(heard: boolean): void {
    this.#waiting -= 1;
    if (heard) this.#heardAt = performance.now();
    if (this.#waiting === 0) clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#looking || performance.now() - this.#heardAt < SILENT_AFTER) return;
    this.#looking = true;
    void this.onSilence().finally(() => (this.#looking = false));
  }
}
