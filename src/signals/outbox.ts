/**
 * Signals that wait to be notified: the first one goes at the end of the present turn of the event loop,
 * whatever comes while a NOTIFY is in flight shares the next one, and there is at most one a millisecond.
 */
import { SignalBatch } from './signal-batch.js';
import type { SignalTopic } from './signal-topics.js';

/** Milliseconds from one NOTIFY to the next. */
const PACE = 1;

export interface Notifier {
  /** Whether a NOTIFY would reach anybody now. */
  isConnected(): boolean;
  notify(payload: string): Promise<void>;
}

export class Outbox {
  readonly #batch = new SignalBatch();
  #busy = false;
  #lastAt = 0;

  constructor(
    private readonly sender: string,
    private readonly notifier: Notifier,
    private readonly onNotifyError: (error: unknown) => void,
  ) {}

  /** Answers false where the signal was dropped: nobody is connected, or too many wait. */
  add(topic: SignalTopic, key: string, count: number): boolean {
    if (!this.notifier.isConnected() || !this.#batch.add(topic, key, count)) return false;
    this.#schedule();
    return true;
  }

  #schedule(): void {
    if (this.#busy || this.#batch.isEmpty) return;
    this.#busy = true;
    const flush = () => void this.#flush();
    if (performance.now() - this.#lastAt >= PACE) setImmediate(flush);
    else setTimeout(flush, PACE);
  }

  async #flush(): Promise<void> {
    this.#lastAt = performance.now();
    try {
      for (const payload of this.#batch.drain(this.sender)) await this.notifier.notify(payload);
    } catch (error) {
      this.onNotifyError(error);
    }
    this.#busy = false;
    this.#schedule();
  }
}
