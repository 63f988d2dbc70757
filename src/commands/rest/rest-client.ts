/**
 * The client of `/api/v1` that all commands share. It goes on to the next master when one cannot be
 * reached, and stays with the one that answered.
 */
import { Agent, request, type Dispatcher } from 'undici';
import { type ClientTls, tlsAdvice } from '../../config/client-tls.js';
import type { Connection } from './connection.js';
import { Refusal, refusalOf, Unreachable } from './refusal.js';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export class RestClient {
  readonly #masters: string[];
  readonly #key: string | undefined;
  readonly #tls: ClientTls | undefined;
  readonly #agent: Agent;

  constructor({ masters, key, tls }: Connection) {
    this.#masters = [...masters];
    this.#key = key;
    this.#tls = tls;
    this.#agent = new Agent({
      connect: { timeout: 3000, ...tls },
      headersTimeout: 30_000,
      bodyTimeout: 30_000,
    });
  }

  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#json<T>('GET', path, { query });
  }

  /** Creating requests carry an Idempotency-Key, so that a repeat at the next master creates nothing twice. */
  post<T>(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    return this.#json<T>('POST', path, { body, headers });
  }

  delete<T = void>(path: string): Promise<T> {
    return this.#json<T>('DELETE', path, {});
  }

  /** The body as it arrives; it may stay open for as long as the server likes. */
  async *stream(path: string, query: Query = {}): AsyncGenerator<string> {
    const { body } = await this.#send('GET', path, { query }, { bodyTimeout: 0 });
    body.setEncoding('utf8');
    for await (const chunk of body) yield chunk as string;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #json<T>(method: Dispatcher.HttpMethod, path: string, options: RequestOptions): Promise<T> {
    const { body } = await this.#send(method, path, options);
    const text = await body.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Tries each master once. A 502, 503 or 504 is a master on its way out, or a balancer without one. */
  async #send(
    method: Dispatcher.HttpMethod,
    path: string,
    options: RequestOptions,
    timeouts: { bodyTimeout?: number } = {},
  ): Promise<Dispatcher.ResponseData> {
    let last: Unreachable | Refusal | undefined;
    for (const master of [...this.#masters]) {
      try {
        const answer = await request(`${master}/api/v1${path}`, {
          dispatcher: this.#agent,
          method,
          ...timeouts,
          query: definedOnly(options.query),
          headers: this.#headers(options),
          body: options.body === undefined ? null : JSON.stringify(options.body),
        });
        if (answer.statusCode < 400) {
          this.#prefer(master);
          return answer;
        }
        const refusal = refusalOf(answer.statusCode, await answer.body.text(), master);
        if (![502, 503, 504].includes(refusal.status)) throw refusal;
        last = refusal;
      } catch (error) {
        if (error instanceof Refusal) throw error;
        last ??= this.#unreachable(error, master);
      }
    }
    throw last ?? this.#unreachable(undefined, '');
  }

  #headers({ body, headers }: RequestOptions): Record<string, string> {
    return {
      accept: 'application/json, text/plain',
      ...(this.#key !== undefined && { authorization: `Bearer ${this.#key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    };
  }

  #prefer(master: string): void {
    if (this.#masters[0] === master) return;
    this.#masters.splice(this.#masters.indexOf(master), 1);
    this.#masters.unshift(master);
  }

  #unreachable(error: unknown, master: string): Unreachable {
    const advice = tlsAdvice(error, master, this.#tls);
    if (advice !== undefined) return new Unreachable(`no connection to the master at ${master}: ${advice}`);
    const code = (error as { code?: string } | undefined)?.code;
    const where = this.#masters.join(', ');
    return new Unreachable(
      `no master answers at ${where}${code === undefined ? '' : ` (${code})`}; start one with \`ffmpeg-master up\`, or name another with --master URL`,
    );
  }
}

function definedOnly(query: Query = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}
