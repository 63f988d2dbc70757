/**
 * Finds the server to use among the hosts of a DSN: each host in order, each way to use TLS that its
 * sslmode allows, until one answers that takes writes. `pg` itself knows one host and other meanings of
 * sslmode. The choice is kept until somebody reports that it fails.
 */
import pg from 'pg';
import { parseDsn, type Dsn } from '../config/dsn.js';
import { tlsAttempts, type TlsAttempt } from '../config/tls-attempts.js';
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

/** No host of the DSN would do; the message says of each why not. */
export class NoServerError extends Error {
  override readonly name = 'NoServerError';
  readonly code = noServer;

  constructor(readonly failures: readonly { server: string; reason: string; code?: string }[]) {
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

  async #search(): Promise<Server> {
    const failures: { server: string; reason: string; code?: string }[] = [];
    for (const { host, port } of this.#dsn.hosts) {
      const name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
      for (const tls of tlsAttempts(this.#dsn, host)) {
        const config = clientConfig(this.#dsn, host, port, tls, this.#timeoutMs);
        try {
          const facts = await this.#probe(config);
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
    }
    throw new NoServerError(failures);
  }

  async #probe(config: pg.ClientConfig): Promise<ServerFacts> {
    const client = new pg.Client({ ...config, query_timeout: this.#timeoutMs });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await inspectServer(client);
    } finally {
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
