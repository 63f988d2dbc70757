/**
 * Signals: how one master tells the others, within milliseconds, that something is worth a look.
 *
 * What they guarantee: nothing. A signal may be lost, may come twice and may come late; it carries no
 * data, only where to look. Whoever listens must therefore be right without any signal at all, and is
 * helped to be: `onResync` calls it at every (re)connect and every `signals.poll_interval`, and a look
 * around then finds whatever a lost signal would have told. Signals only make it sooner: a parked claim
 * wakes after about a millisecond instead of after up to a second.
 *
 *     send ──▶ handlers of this process, at once
 *      └─────▶ outbox ──one NOTIFY a millisecond──▶ PostgreSQL ──▶ listener of each other master ──▶ handlers there
 *
 * Off the write path. A transaction that notifies takes a cluster-wide lock at its commit and holds it
 * through the flush (18,700 inserts a second fall to 4,800 at 16 clients), so nobody notifies in a
 * transaction that writes. A signal is sent after the commit, in a transaction of its own on the
 * listener's connection, and what is sent while the last NOTIFY is in flight shares the next one:
 * three jobs for lane 12 are one entry `lane 12 ×3` (signal-batch.ts, outbox.ts).
 *
 * The listener (listener.ts) is a supervisor around pg-listen:
 *
 *                 ┌──────────── rebuilt on the host that is primary now ───────────┐
 *                 ▼                                                                │
 *     degraded: connecting ──LISTEN done──▶ up ──session lost, or own beat unheard─┘
 *
 *   - It never gives up, and asks for the primary's address each time, so it follows a failover.
 *   - A session can die without a word (a half-open connection, a cut link, a stopped host), or live on
 *     at a server that is no longer the primary. So each second a beat is notified over the pool, which
 *     knows its server, and has to arrive here; three in a row unheard, and the session is replaced. Such
 *     a death is found within 4 s; its bound is 5 s.
 *   - At each `up`, first LISTEN, then the resync: whatever changed before the LISTEN is in the tables,
 *     whatever changes after it comes as a signal.
 *   - While it is degraded, signals for others are dropped, not kept: each other master polls anyway,
 *     and a flood of old news at the reconnect would help nobody.
 *
 * Handlers run for local and remote signals alike, once each (a master ignores what it sent itself). An
 * error of a handler is logged and goes no further.
 */
import type { SignalTopic } from './signal-topics.js';

/** Whether signals of other masters arrive: `degraded` means that only the poll tells of them. */
export type ListenerState = 'up' | 'degraded';

/** Why a look around is due: the listener is newly connected, or `signals.poll_interval` has passed. */
export type ResyncReason = 'connected' | 'poll';

export type SignalHandler = (key: string, count: number) => void;
export type ResyncHandler = (why: ResyncReason) => void;

/** An abstract class, so that Nest can inject it by type; `ListeningSignals` is the implementation. */
export abstract class Signals {
  /** For `/cluster` and readiness. */
  abstract readonly listenerState: ListenerState;

  /**
   * Tells all masters, this one included. Call it after the commit. Never fails, never waits.
   * @param elsewhere how many of `count` the others hear of; default all, and of 0 nothing
   */
  abstract send(topic: SignalTopic, key?: string, count?: number, elsewhere?: number): void;

  /** Tells the other masters alone. */
  abstract sendElsewhere(topic: SignalTopic, key: string, count: number): void;

  /** @returns a function that takes the handler back */
  abstract on(topic: SignalTopic, handler: SignalHandler): () => void;

  /** @returns a function that takes the handler back */
  abstract onResync(handler: ResyncHandler): () => void;
}
