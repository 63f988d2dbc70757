/** Waits for a condition instead of sleeping: the only way in which tests wait. */

export interface Patience {
  /** Milliseconds after which the last failure is thrown; default 5,000. */
  readonly within?: number;
  /** Milliseconds between two tries; default 20. */
  readonly every?: number;
}

/** Repeats `assertion` until it no longer throws, and answers what it answered then. */
export async function eventually<T>(assertion: () => T | Promise<T>, patience: Patience = {}): Promise<T> {
  const { within = 5000, every = 20 } = patience;
  const started = performance.now();
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() - started > within) {
        if (error instanceof Error) error.message = `after ${within} ms still: ${error.message}`;
        throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
