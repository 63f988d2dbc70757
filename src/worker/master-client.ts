/**
 * Speaks to the masters. Any of them will do: it stays with one while that answers (its connections are
 * warm) and moves to the next on a cut connection, a time-out or a 502, 503, 504 or 429. Every request of
 * the worker protocol may be repeated without harm (registrations by instance_id, claims by claim_id,
 * reports and heartbeats by lease token, log chunks by offset), so an unknown outcome is simply asked again.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { type ClientTls, tlsAdvice } from '../config/client-tls.js';
import { monotonicNow } from './lease-clock.js';
import { MasterRefused, MastersUnreachable } from './master-error.js';

export interface AskOptions {
  timeoutMs: number;
  signal?: AbortSignal;
  /** Asks masters that want a pause too, should no other be left: a lease does not wait. */
  urgent?: boolean;
}

interface Master {
  url: string;
  /** It asked to be left alone until then (Retry-After). */
  notBefore: number;
}

/** A dead host in the list must not cost a heartbeat its lease. */
const CONNECT_TIMEOUT_MS = 2_000;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
const MAX_RETRY_AFTER_MS = 30_000;
const MOVE_ON = new Set([429, 502, 503, 504]);

export class MasterClient {
  private readonly masters: Master[];
  private readonly agent: Agent;
  private current = 0;
  private answeredAt = monotonicNow();

  constructor(
    urls: readonly string[],
    private key: string | undefined,
    private readonly tls?: ClientTls,
  ) {
    if (urls.length === 0)
      throw new Error('no master given: name at least one, e.g. --master http://127.0.0.1:8080');
    this.masters = urls.map((url) => ({ url: url.replace(/\/+$/, ''), notBefore: 0 }));
    this.agent = new Agent({
      connect: { timeout: CONNECT_TIMEOUT_MS, ...tls },
      keepAliveTimeout: 30_000,
      // One at a time: a parked claim must not stand before a heartbeat on the same connection.
      pipelining: 1,
    });
    // Workers started together would otherwise all lean on the first.
    this.current = Math.floor(Math.random() * urls.length);
  }

  /** The host of the first master, which old clients expect to be their RTMP server too. */
  get firstHost(): string {
    return new URL(this.masters[0]?.url ?? 'http://localhost').hostname;
  }

  /** Milliseconds since a master last answered with success. */
  get silence(): number {
    return monotonicNow() - this.answeredAt;
  }

  useKey(key: string | undefined): void {
    this.key = key;
  }

  /**
   * Asks each master at most once.
   * @throws MasterRefused, MastersUnreachable, or the signal's reason.
   */
  async ask<Answer>(path: string, body: unknown, options: AskOptions): Promise<Answer> {
    const requestId = randomUUID();
    let failure: unknown = new Error('each of them asked for a pause');
    for (const master of this.inTurn(options.urgent === true)) {
      const outcome = await this.askOne<Answer>(master, path, body, requestId, options);
      if ('answer' in outcome) {
        this.current = this.masters.indexOf(master);
        return outcome.answer;
      }
      failure = outcome.failure;
    }
    const soonest = Math.min(...this.masters.map(({ notBefore }) => notBefore)) - monotonicNow();
    throw new MastersUnreachable(Math.max(0, soonest), failure);
  }

  /** Asks until a master answers, whatever that takes. @throws MasterRefused, or the signal's reason. */
  async askUntilAnswered<Answer>(
    path: string,
    body: unknown,
    options: AskOptions & { signal: AbortSignal; onUnreachable?: (error: MastersUnreachable) => void },
  ): Promise<Answer> {
    for (let backoff = FIRST_BACKOFF_MS; ; backoff = Math.min(backoff * 2, MAX_BACKOFF_MS)) {
      try {
        return await this.ask<Answer>(path, body, options);
      } catch (error) {
        if (!(error instanceof MastersUnreachable)) throw error;
        options.onUnreachable?.(error);
        // Half to all of it: workers that lost their masters together do not come back together.
        const wait = Math.max(error.retryAfterMs, backoff * (0.5 + Math.random() / 2));
        await delay(wait, undefined, { signal: options.signal });
      }
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  /** From the current one on; those that asked for a pause last, if at all. */
  private inTurn(urgent: boolean): Master[] {
    const now = monotonicNow();
    const order = [...this.masters.slice(this.current), ...this.masters.slice(0, this.current)];
    const rested = order.filter(({ notBefore }) => notBefore <= now);
    return urgent ? [...rested, ...order.filter(({ notBefore }) => notBefore > now)] : rested;
  }

  private async askOne<Answer>(
    master: Master,
    path: string,
    body: unknown,
    requestId: string,
    { timeoutMs, signal }: AskOptions,
  ): Promise<{ answer: Answer } | { failure: unknown }> {
    // By hand: AbortSignal.any leaves an entry at the long-lived signal for every request it joined.
    const attempt = new AbortController();
    const timer = setTimeout(
      () => attempt.abort(new Error(`${master.url} did not answer in ${timeoutMs} ms`)),
      timeoutMs,
    );
    const onAbort = (): void => attempt.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      signal?.throwIfAborted();
      const response = await request(`${master.url}/api/v1${path}`, {
        method: 'POST',
        dispatcher: this.agent,
        headers: {
          'content-type': 'application/json',
          'x-request-id': requestId,
          ...(this.key !== undefined && { authorization: `Bearer ${this.key}` }),
        },
        body: JSON.stringify(body),
        headersTimeout: timeoutMs,
        signal: attempt.signal,
      });
      const text = await response.body.text();
      if (response.statusCode < 300) {
        this.answeredAt = monotonicNow();
        return { answer: (text === '' ? {} : JSON.parse(text)) as Answer };
      }
      if (response.statusCode < 500 && !MOVE_ON.has(response.statusCode)) {
        throw new MasterRefused(response.statusCode, path, detail(text));
      }
      master.notBefore = monotonicNow() + retryAfter(response.headers['retry-after']);
      return { failure: new Error(`${master.url} answered ${response.statusCode}: ${detail(text)}`) };
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof MasterRefused) throw error;
      const advice = tlsAdvice(error, master.url, this.tls);
      return { failure: advice === undefined ? error : new Error(`${master.url}: ${advice}`) };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** Seconds or a date, in milliseconds from now; bounded, since a broken proxy may say anything. */
function retryAfter(header: string | string[] | undefined): number {
  if (typeof header !== 'string') return 0;
  const seconds = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER_MS) : 0;
}

/** A problem document's own words, or the beginning of whatever came. */
function detail(text: string): string {
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    return detail ?? title ?? text.slice(0, 300);
  } catch {
    return text.slice(0, 300);
  }
}
