/**
 * The LISTEN session of a master, kept alive for ever: pg-listen under a supervisor. signals.ts tells
 * what it guarantees; here is how pg-listen is held.
 *
 * pg-listen reconnects by itself, but to the same host and only for a while, and a close during that
 * leaks the new connection. So it may not reconnect at all (`retryLimit: 1`): each session is one
 * subscriber, and the supervisor makes the next one where the primary is by then. It opens its sockets
 * through us, so that a session that is given up is surely gone, even where nobody answers a goodbye.
 */
import { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { ClientConfig } from 'pg';
import pgListen from 'pg-listen';
import type { Notifier } from './outbox.js';

export const CHANNEL = 'ffmpeg_master';

/** Milliseconds. A beat a second and three of them unheard: a silent death is found within 4 s. */
const BEAT = 1_000;
const UNHEARD_BEATS = 3;
/** For connecting, for LISTEN and for each NOTIFY. */
const ANSWER_WITHIN = 3_000;
const FIRST_RETRY = 50;
const LAST_RETRY = 1_000;
const GOODBYE_WITHIN = 200;

export interface ListenerOptions {
  /** Names this listener in its beats; unique. */
  readonly id: string;
  /** Where the primary is now, as options for a `pg` client; asked again for each session. */
  readonly locate: () => Promise<ClientConfig>;
  /** Notifies `payload` on the channel over the pool, that is, on the server where signals are needed. */
  readonly sendBeat: (payload: string) => Promise<void>;
  readonly onUp: () => void;
  readonly onDegraded: (reason: string) => void;
  readonly onPayload: (payload: string) => void;
}

export class Listener implements Notifier {
  #session: Session | undefined;
  #supervision: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(private readonly options: ListenerOptions) {}

  isConnected(): boolean {
    return this.#session !== undefined;
  }

  async notify(payload: string): Promise<void> {
    await this.#session?.notify(payload);
  }

  start(): void {
    this.#supervision ??= this.#supervise();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#supervision;
  }

  async #supervise(): Promise<void> {
    const closing = this.#closing.signal;
    let retry = FIRST_RETRY;
    while (!closing.aborted) {
      const reason = await this.#liveOneSession(() => (retry = FIRST_RETRY));
      if (closing.aborted) return;
      this.options.onDegraded(reason);
      await setTimeout(retry, undefined, { signal: closing }).catch(() => undefined);
      retry = Math.min(LAST_RETRY, retry * 2);
    }
  }

  /** Answers why the session ended; does not throw. */
  async #liveOneSession(onUp: () => void): Promise<string> {
    const closing = this.#closing.signal;
    const interrupted = new Interruption(closing);
    let session: Session | undefined;
    try {
      // The search bounds each of its steps itself. Cut as a whole it would begin anew, and never come to its end where
      // it needs longer.
      const config = await interrupted.or(this.options.locate());
      session = new Session(config, this.options);
      await interrupted.or(within(ANSWER_WITHIN, session.open()));
      this.#session = session;
      onUp();
      this.options.onUp();
      return await interrupted.or(session.lost);
    } catch (error) {
      return messageOf(error);
    } finally {
      interrupted.forget();
      this.#session = undefined;
      await session?.end();
    }
  }
}

/** Cuts waits short when a signal aborts, and leaves no listener behind on that long-lived signal. */
class Interruption {
  readonly #aborted: Promise<never>;
  #abort: () => void = () => undefined;

  constructor(private readonly signal: AbortSignal) {
    this.#aborted = new Promise((_, reject) => {
      this.#abort = () => reject(new Error('closed'));
    });
    this.#aborted.catch(() => undefined);
    if (signal.aborted) this.#abort();
    else signal.addEventListener('abort', this.#abort);
  }

  or<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#aborted]);
  }

  forget(): void {
    this.signal.removeEventListener('abort', this.#abort);
  }
}

/** One connection that listens, from its opening to its end. */
class Session {
  /** Resolves with the reason when the session is found dead. */
  readonly lost: Promise<string>;
  readonly #sockets = new Set<Socket>();
  readonly #subscriber: ReturnType<typeof pgListen.default>;
  readonly #beat: string;
  readonly #sendBeat: ListenerOptions['sendBeat'];
  #unheard = 0;
  #beating: NodeJS.Timeout | undefined;
  #lose: (reason: string) => void = () => undefined;

  constructor(config: ClientConfig, { id, sendBeat, onPayload }: ListenerOptions) {
    this.#beat = `beat ${id}`;
    this.#sendBeat = sendBeat;
    this.lost = new Promise((resolve) => (this.#lose = resolve));
    this.#subscriber = pgListen.default(
      {
        ...config,
        application_name: 'ffmpeg-master listener',
        connectionTimeoutMillis: ANSWER_WITHIN,
        query_timeout: ANSWER_WITHIN,
        keepAlive: true,
        stream: () => {
          const socket = new Socket();
          this.#sockets.add(socket);
          return socket;
        },
      },
      {
        retryLimit: 1,
        paranoidChecking: false,
        parse: (payload) => payload,
        serialize: (payload) => payload as string,
      },
    );
    this.#subscriber.events.on('error', (error) => this.#lose(messageOf(error)));
    this.#subscriber.notifications.on(CHANNEL, (payload: unknown) => {
      if (payload === this.#beat) this.#unheard = 0;
      else if (typeof payload === 'string' && !payload.startsWith('beat ')) onPayload(payload);
    });
  }

  async open(): Promise<void> {
    await this.#subscriber.connect();
    await this.#subscriber.listenTo(CHANNEL);
    this.#beating = setInterval(() => void this.#checkBeat(), BEAT);
  }

  async notify(payload: string): Promise<void> {
    await this.#subscriber.notify(CHANNEL, payload);
  }

  async end(): Promise<void> {
    clearInterval(this.#beating);
    const goodbye = this.#subscriber.close().catch(() => undefined);
    await within(GOODBYE_WITHIN, goodbye).catch(() => undefined);
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * Counts beats instead of measuring time: after an event loop that was blocked for long, answers lie
   * unread in the socket, and the clock alone would call a living session dead. A beat that the pool could
   * not send says nothing about this session and does not count.
   */
  async #checkBeat(): Promise<void> {
    if (this.#unheard >= UNHEARD_BEATS) {
      this.#lose(`${this.#unheard} beats in a row were not heard`);
      return;
    }
    this.#unheard += 1;
    await this.#sendBeat(this.#beat).catch(() => {
      this.#unheard = Math.max(0, this.#unheard - 1);
    });
  }
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = setTimeout(milliseconds, undefined, { signal: done.signal }).then(() => {
    throw new Error(`no answer within ${milliseconds} ms`);
  });
  // The timer's own end by `done` is no news.
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
