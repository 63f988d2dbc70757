/**
 * A session of its own, apart from the pool and straight to the server: for the advisory lock of the
 * leader, for migrations and for vacuum. What a pooled session may not rely on holds here: its settings
 * and locks last as long as it does.
 */
import pg from 'pg';
import { socketOf } from './client-socket.js';
import { refuseOldVersion, refusePooler } from './pooler-detection.js';
import { ServerLocator } from './server-locator.js';
import { codeOf } from './sql-errors.js';
import type { Statement } from './statement.js';

export interface SessionOptions {
  readonly dsn: string;
  /** The setting that the dsn comes from, for errors: `database.direct_dsn`. */
  readonly key?: string;
  /** Shown in pg_stat_activity behind `ffmpeg-master`: `lock`, `vacuum`. */
  readonly purpose: string;
  /**
   * Session settings of the server, by name; sent with the start-up, so they hold from the first moment
   * and stand above the role's. Time-outs for statements and locks are off unless named here.
   */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Milliseconds for each attempt to connect; default 3,000. */
  readonly connectTimeoutMs?: number;
}

export interface DedicatedSession {
  readonly pid: number;
  /** `host:port` of the server. */
  readonly server: string;
  /**
   * @param options.timeoutMs after which the session is cut, since nobody knows any more what it does
   */
  query<Row>(
    statement: Statement,
    values?: readonly unknown[],
    options?: { timeoutMs?: number },
  ): Promise<Row[]>;
  /** Called once, with the reason, when the session ends other than by `end()`; at once if it has. */
  onLost(listener: (reason: Error) => void): void;
  /** The client itself, for libraries that want one. */
  readonly client: pg.Client;
  /** Ends the session; cuts it when the server does not answer within a second. */
  end(): Promise<void>;
}

/** Connects to the host of the dsn that takes writes. Refuses poolers and servers before version 15. */
export async function openSession(options: SessionOptions): Promise<DedicatedSession> {
  const key = options.key ?? 'database.direct_dsn';
  const server = await new ServerLocator(options.dsn, {
    ...(options.connectTimeoutMs !== undefined && { connectTimeoutMs: options.connectTimeoutMs }),
  }).locate();
  refuseOldVersion(server, key);
  refusePooler(server, key);
  const client = new pg.Client({
    ...server.config,
    application_name: `${server.config.application_name ?? 'ffmpeg-master'} ${options.purpose}`,
    keepAlive: true,
    keepAliveInitialDelayMillis: 1000,
    options: startUpOptions({ statement_timeout: 0, lock_timeout: 0, ...options.settings }),
  });
  const loss = watchLoss(client);
  await client.connect();
  return new Session(client, server.name, loss);
}

class Session implements DedicatedSession {
  readonly pid: number;
  #ending = false;

  constructor(
    readonly client: pg.Client,
    readonly server: string,
    private readonly loss: Promise<Error>,
  ) {
    this.pid = (client as unknown as { processID: number }).processID;
  }

  async query<Row>(
    { name, text, prepared }: Statement,
    values: readonly unknown[] = [],
    { timeoutMs }: { timeoutMs?: number } = {},
  ): Promise<Row[]> {
    const config = { ...(prepared && { name }), text, values: values as unknown[] };
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () => this.#cut(new SessionTimeout(`${name} was not answered within ${timeoutMs} ms`)),
            timeoutMs,
          );
    try {
      const { rows } = await this.client.query(config);
      return rows as Row[];
    } finally {
      clearTimeout(timer);
    }
  }

  onLost(listener: (reason: Error) => void): void {
    void this.loss.then((reason) => {
      if (!this.#ending) listener(reason);
    });
  }

  async end(): Promise<void> {
    this.#ending = true;
    const timer = setTimeout(
      () => this.#cut(new SessionTimeout('the session did not end within 1000 ms')),
      1000,
    );
    try {
      await this.client.end();
    } catch (error) {
      if (codeOf(error) !== undefined) return;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Rejects the statement in flight and tells `onLost`. */
  #cut(reason: Error): void {
    socketOf(this.client).destroy(reason);
  }
}

/** Its code makes `isConnectionLost` true: what the statement did is unknown. */
export class SessionTimeout extends Error {
  override readonly name = 'SessionTimeout';
  readonly code = 'ETIMEDOUT';
}

/** Watched from before the connection is made, so that no end goes unseen. */
function watchLoss(client: pg.Client): Promise<Error> {
  return new Promise((resolve) => {
    client.on('error', resolve);
    client.on('end', () => resolve(new Error('the session ended')));
  });
}

function startUpOptions(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${String(value).replace(/[\\ ]/g, '\\$&')}`)
    .join(' ');
}
