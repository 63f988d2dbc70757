import { randomUUID } from 'node:crypto';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { ClientConfig } from 'pg';
import type { Logger } from '../logging/logger.js';
import type { Milliseconds } from '../config/durations.js';
import { Listener } from './listener.js';
import { Outbox } from './outbox.js';
import { readPayload } from './signal-batch.js';
import type { SignalTopic } from './signal-topics.js';
import {
  type ListenerState,
  type ResyncHandler,
  type ResyncReason,
  type SignalHandler,
  Signals,
} from './signals.js';
import type { SignalMetrics } from './signals.metrics.js';

export interface ListeningSignalsOptions {
  /** Where the primary is now, as options for a `pg` client. */
  readonly locate: () => Promise<ClientConfig>;
  readonly sendBeat: (payload: string) => Promise<void>;
  readonly pollInterval: Milliseconds;
  readonly metrics: SignalMetrics;
  readonly logger: Logger;
}

/** `Signals` over one LISTEN session; signals.ts tells the whole. */
export class ListeningSignals extends Signals implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #id = randomUUID();
  readonly #handlers = new Map<SignalTopic, Set<SignalHandler>>();
  readonly #resyncHandlers = new Set<ResyncHandler>();
  readonly #listener: Listener;
  readonly #outbox: Outbox;
  #poll: NodeJS.Timeout | undefined;

  constructor(private readonly options: ListeningSignalsOptions) {
    super();
    const { locate, sendBeat, metrics, logger } = options;
    this.#listener = new Listener({
      id: this.#id,
      locate,
      sendBeat,
      onUp: () => {
        metrics.listenerUp.set(1);
        logger.info('listening for signals of other masters');
        this.#resync('connected');
      },
      onDegraded: (reason) => {
        metrics.listenerUp.set(0);
        logger.warn(
          { reason },
          'not listening for signals; the poll tells of changes until the listener is back',
        );
      },
      onPayload: (payload) => this.#receive(payload),
    });
    this.#outbox = new Outbox(
      this.#id,
      {
        isConnected: () => this.#listener.isConnected(),
        notify: (payload) => {
          metrics.notifications.inc();
          return this.#listener.notify(payload);
        },
      },
      (error) =>
        logger.warn({ err: error }, 'signals were lost; the poll of the other masters replaces them'),
    );
    metrics.listenerUp.set(0);
  }

  get listenerState(): ListenerState {
    return this.#listener.isConnected() ? 'up' : 'degraded';
  }

  /** Begins to listen and to poll. Does not wait for the database. */
  onApplicationBootstrap(): void {
    this.#listener.start();
    this.#poll ??= setInterval(() => this.#resync('poll'), this.options.pollInterval);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#poll);
    await this.#listener.close();
    this.options.metrics.listenerUp.set(0);
  }

  send(topic: SignalTopic, key = '', count = 1, elsewhere = count): void {
    this.sendElsewhere(topic, key, elsewhere);
    this.#handle(topic, key, count);
  }

  sendElsewhere(topic: SignalTopic, key: string, count: number): void {
    if (count === 0) return;
    this.options.metrics.sent.inc({ topic });
    if (!this.#outbox.add(topic, key, count)) this.options.metrics.dropped.inc({ topic });
  }

  on(topic: SignalTopic, handler: SignalHandler): () => void {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  onResync(handler: ResyncHandler): () => void {
    this.#resyncHandlers.add(handler);
    return () => this.#resyncHandlers.delete(handler);
  }

  #receive(payload: string): void {
    const received = readPayload(payload);
    if (received === undefined || received.sender === this.#id) return;
    for (const { topic, key, count } of received.signals) {
      this.options.metrics.received.inc({ topic });
      this.#handle(topic, key, count);
    }
  }

  #handle(topic: SignalTopic, key: string, count: number): void {
    for (const handler of this.#handlers.get(topic) ?? []) this.#guard(() => handler(key, count), topic);
  }

  #resync(why: ResyncReason): void {
    this.options.metrics.resyncs.inc({ why });
    for (const handler of this.#resyncHandlers) this.#guard(() => handler(why), 'resync');
  }

  /** A handler may be an async function in disguise: its rejection must not end the process either. */
  #guard(call: () => unknown, topic: string): void {
    const caught = (error: unknown) =>
      this.options.logger.error({ err: error, topic }, 'a handler of signals failed');
    try {
      const result = call();
      if (result instanceof Promise) result.catch(caught);
    } catch (error) {
      caught(error);
    }
  }
}
