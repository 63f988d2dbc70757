import { Injectable } from '@nestjs/common';

/**
 * Whether this master is on its way out. `api` begins it on SIGTERM, before anything closes: readiness
 * fails, so that balancers send no more, and whoever parks requests answers them. It lies this low so that
 * claims and streams can ask it.
 */
@Injectable()
export class Draining {
  readonly #listeners = new Set<() => void>();
  #begun = false;

  get isDraining(): boolean {
    return this.#begun;
  }

  /** Tells all listeners once; further calls do nothing. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /**
   * Calls `listener` when draining begins, at once if it has begun. It must not throw.
   * @returns a function that takes the listener back
   */
  onBegin(listener: () => void): () => void {
    if (this.#begun) {
      listener();
      return () => undefined;
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
