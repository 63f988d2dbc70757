/**
 * Finds the server to use among the hosts of a DSN: each host in order, each way to use TLS that its
 * sslmode allows, until one answers that takes writes. A host that is silent does not hold up the next one for long.
 * `pg` itself knows one host and other meanings of sslmode. The choice is kept until somebody reports that it fails.
 */
import pg from 'pg';
import { parseDsn, type Dsn } from '../config/dsn.js';
import { tlsAttempts, type TlsAttempt } from '../config/tls-attempts.js';
import { socketOf } from './client-socket.js';
import { firstInTurn } from './first-in-turn.js';
import { inspectServer, whyNoWrites, type ServerFacts } from './pooler-detection.js';
import { codeOf, noServer } from './sql-errors.js';
import { rowTypes } from './row-types.js';

/** A server that answered, and how. */
export interface Server extends ServerFacts {
  /** `host:port`, for logs and errors. */
  readonly name: string;
  /** What `pg` takes to connect to it. Holds the password. */
  readonly config: pg.ClientConfig;
  /** Equal for equal choices. */
  readonly identity: string;
}

export interface ServerLocatorOptions {
  /** False: a standby will do (database.replica_dsn). Default true. */
  readonly readWrite?: boolean;
  /** For each attempt, unless the DSN has `connect_timeout`; default 3,000. */
  readonly connectTimeoutMs?: number;
}

interface Failure {
  readonly server: string;
  readonly reason: string;
  readonly code?: string;
}

/**
 * Milliseconds that a host has to answer before the next one is asked beside it: the machine of a primary that lost its
 * power says nothing, and its standby took over long before a time-out of 3 s.
 */
const HEAD_START = 250;

/** No host of the DSN would do; the message says of each why not. */
export class NoServerError extends Error {
  override readonly name = 'NoServerError';
  readonly code = noServer;

  constructor(readonly failures: readonly Failure[]) {
    super(
      `no PostgreSQL server is usable: ${failures.map(({ server, reason }) => `${server}: ${reason}`).join('; ')}`,
    );
  }
}

export class ServerLocator {
  readonly #dsn: Dsn;
  readonly #readWrite: boolean;
  readonly #timeoutMs: number;
  #choice: Promise<Server> | undefined;

  constructor(dsn: string, options: ServerLocatorOptions = {}) {
    this.#dsn = parseDsn(dsn);
    this.#readWrite = options.readWrite ?? true;
    this.#timeoutMs =
      this.#dsn.connect_timeout === undefined || this.#dsn.connect_timeout === 0
        ? (options.connectTimeoutMs ?? 3000)
        : this.#dsn.connect_timeout * 1000;
  }

  /** The kept choice, or a new one. Callers at the same time share one search. */
  locate(): Promise<Server> {
    if (this.#choice !== undefined) return this.#choice;
    const choice = this.#search();
    this.#choice = choice;
    choice.catch(() => {
      if (this.#choice === choice) this.#choice = undefined;
    });
    return choice;
  }

  /** The choice failed: the next `locate` searches again. */
  forget(): void {
    this.#choice = undefined;
  }

  /** Whether there is more than one host. */
  get several(): boolean {
    return this.#dsn.hosts.length > 1;
  }

  async #search(): Promise<Server> {
    const found = new AbortController();
    const tries = this.#dsn.hosts.map((host) => () => this.#try(host, found.signal));
    try {
      return await firstInTurn(tries, HEAD_START);
    } catch (error) {
      const failures = (error as AggregateError).errors as NoServerError[];
      throw new NoServerError(failures.flatMap((failure) => failure.failures));
    } finally {
      found.abort();
    }
  }

  /** Throws `NoServerError` and nothing else. */
  async #try({ host, port }: Dsn['hosts'][number], found: AbortSignal): Promise<Server> {
    const failures: Failure[] = [];
    const name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    for (const tls of tlsAttempts(this.#dsn, host)) {
      const config = clientConfig(this.#dsn, host, port, tls, this.#timeoutMs);
      try {
        const facts = await this.#probe(config, found);
        const wrong = this.#readWrite ? whyNoWrites(facts) : undefined;
        if (wrong === undefined) {
          return { ...facts, name, config, identity: `${name} ${tls === 'plain' ? 'plain' : 'tls'}` };
        }
        failures.push({ server: name, reason: wrong });
        break;
      } catch (error) {
        failures.push({ server: name, ...describe(error, tls) });
        if (!isRefusalOfTls(error)) break;
      }
    }
    throw new NoServerError(failures);
  }

  /** @param found aborted once a server is found: nobody waits for another */
  async #probe(config: pg.ClientConfig, found: AbortSignal): Promise<ServerFacts> {
    const client = new pg.Client({ ...config, query_timeout: this.#timeoutMs });
    client.on('error', () => undefined);
    const cut = () => void socketOf(client).destroy();
    found.addEventListener('abort', cut);
    try {
      await client.connect();
      return await inspectServer(client);
    } finally {
      found.removeEventListener('abort', cut);
      client.end().catch(() => undefined);
    }
  }
}

function clientConfig(
  dsn: Dsn,
  host: string,
  port: number,
  tls: TlsAttempt,
  timeoutMs: number,
): pg.ClientConfig {
  return {
    host,
    port,
    user: dsn.user,
    database: dsn.database,
    ssl: tls === 'plain' ? false : tls,
    application_name: dsn.application_name ?? 'ffmpeg-master',
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    types: rowTypes,
    ...(dsn.password !== undefined && { password: dsn.password }),
  };
}

/** The server is there, and only the way to talk was wrong: no TLS here, or (28000) only with TLS. */
function isRefusalOfTls(error: unknown): boolean {
  if (codeOf(error) === '28000') return true;
  return error instanceof Error && /does not support SSL|SSL|TLS|certificate/i.test(error.message);
}

function describe(error: unknown, tls: TlsAttempt): { reason: string; code?: string } {
  const text = error instanceof Error ? error.message || error.name : String(error);
  const code = codeOf(error) ?? (error instanceof AggregateError ? codeOf(error.errors[0]) : undefined);
  const reason = text === 'AggregateError' || text === '' ? (code ?? text) : text;
  return { reason: tls === 'plain' ? reason : `with TLS: ${reason}`, ...(code !== undefined && { code }) };
}
