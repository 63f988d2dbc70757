import {
  type ListenerState,
  type ResyncHandler,
  type ResyncReason,
  type SignalHandler,
  Signals,
} from '../../src/signals/signals.js';
import type { SignalTopic } from '../../src/signals/signal-topics.js';

/** Signals without a database: masters in one process that share an instance hear each other at once. */
export class LocalSignals extends Signals {
  listenerState: ListenerState = 'up';
  /** While true, nobody hears what is sent. */
  lost = false;
  /** All that was sent, as `topic key×count`. */
  readonly sent: string[] = [];
  readonly #handlers = new Set<{ topic: SignalTopic; handler: SignalHandler }>();
  readonly #resyncHandlers = new Set<ResyncHandler>();

  send(topic: SignalTopic, key = '', count = 1): void {
    this.sent.push(`${topic} ${key}×${count}`);
    if (this.lost) return;
    for (const entry of this.#handlers) if (entry.topic === topic) entry.handler(key, count);
  }

  /** Whoever shares the instance hears it: who sent it cannot be told apart. */
  sendElsewhere(topic: SignalTopic, key: string, count: number): void {
    this.send(topic, key, count);
  }

  on(topic: SignalTopic, handler: SignalHandler): () => void {
    const entry = { topic, handler };
    this.#handlers.add(entry);
    return () => this.#handlers.delete(entry);
  }

  onResync(handler: ResyncHandler): () => void {
    this.#resyncHandlers.add(handler);
    return () => this.#resyncHandlers.delete(handler);
  }

  resync(why: ResyncReason = 'poll'): void {
    for (const handler of this.#resyncHandlers) handler(why);
  }
}
