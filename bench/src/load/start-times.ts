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
  private readonly waiting = new Map<string, (at: number) => void>();

  /** A worker has the job in its hand. */
  started(id: string): void {
    const now = performance.now();
    this.at.set(id, now);
    this.waiting.get(id)?.(now);
  }

  /** Milliseconds from `sent` to the last start of these. */
  async last(ids: readonly string[], sent: number): Promise<number> {
    const starts = await Promise.all(ids.map((id) => this.startOf(id)));
    return Math.max(...starts) - sent;
  }

  /** Sends at a pace, whether or not the last was answered; `send` answers the job's id. */
  async sample({ samples, interval }: Pace, send: () => Promise<string>): Promise<number[]> {
    const times: Promise<number>[] = [];
    for (let k = 0; k < samples; k += 1) {
      const sent = performance.now();
      times.push(send().then((id) => this.last([id], sent)));
      await new Promise((resolve) => setTimeout(resolve, interval * (0.5 + Math.random())));
    }
    return Promise.all(times);
  }

  /** A job may have started before its submit was answered. */
  private async startOf(id: string): Promise<number> {
    return (
      this.at.get(id) ??
      new Promise((resolve, reject) => {
        const late = () => reject(new Error(`a job did not start within ${PATIENCE} ms`));
        const timer = setTimeout(late, PATIENCE);
        this.waiting.set(id, (at) => {
          clearTimeout(timer);
          resolve(at);
        });
      })
    );
  }
}
