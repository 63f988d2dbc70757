/** Times from the submit of a job to its start, both read from one clock: sender and worker share a process. */
export interface Pace {
  readonly samples: number;
  /** Mean time between two submits, in milliseconds; each wait is 0.5 to 1.5 of it. */
  readonly interval: number;
}

/** How long a job may take to start before the measurement fails, in milliseconds. */
const PATIENCE = 30_000;

export class StartTimes {
  private readonly at = new Map<string, number>();

  /** A worker has the job in its hand. */
  started(id: string): void {
    this.at.set(id, performance.now());
  }

  /** Milliseconds from now's `sent` to the last of these starts. */
  async last(ids: readonly string[], sent: number): Promise<number> {
    const deadline = performance.now() + PATIENCE;
    while (!ids.every((id) => this.at.has(id))) {
      if (performance.now() > deadline) {
        const missing = ids.filter((id) => !this.at.has(id)).length;
        throw new Error(`${missing} of ${ids.length} jobs did not start within ${PATIENCE} ms`);
      }
      await pause(1);
    }
    return Math.max(...ids.map((id) => this.at.get(id) ?? NaN)) - sent;
  }

  /** Sends at a pace, whether or not the last was answered; `send` answers the job's id. */
  async sample({ samples, interval }: Pace, send: () => Promise<string>): Promise<number[]> {
    const times: Promise<number>[] = [];
    for (let k = 0; k < samples; k += 1) {
      const sent = performance.now();
      times.push(send().then((id) => this.last([id], sent)));
      await pause(interval * (0.5 + Math.random()));
    }
    return Promise.all(times);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
