/** Signals between parts of one test: sent at once, or lost on demand. */
import type { SignalTopic } from '../../src/signals/signal-topics.js';
import {
  type ListenerState,
  type ResyncHandler,
  type ResyncReason,
  type SignalHandler,
  Signals,
} from '../../src/signals/signals.js';

export class LocalSignals extends Signals {
  listenerState: ListenerState = 'up';
  /** While true, nobody hears of what is sent. */
  lost = false;
  readonly sent: { topic: SignalTopic; key: string; count: number }[] = [];
  readonly #handlers = new Map<SignalTopic, Set<SignalHandler>>();
  readonly #resyncs = new Set<ResyncHandler>();

  override send(topic: SignalTopic, key = '', count = 1): void {
    this.sent.push({ topic, key, count });
    if (this.lost) return;
    for (const handler of this.#handlers.get(topic) ?? []) handler(key, count);
  }

  override on(topic: SignalTopic, handler: SignalHandler): () => void {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  override onResync(handler: ResyncHandler): () => void {
    this.#resyncs.add(handler);
    return () => this.#resyncs.delete(handler);
  }

  resync(why: ResyncReason = 'poll'): void {
    for (const handler of this.#resyncs) handler(why);
  }
}
