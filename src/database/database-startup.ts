/**
 * From nothing to a database that masters can work with: a server that answers and is new enough, no
 * pooler where sessions matter, the schema of this version. A database that is down is waited for and
 * never a reason to exit; until it is ready every statement is refused as if the connection were lost.
 */
import { ConfigurationError } from '../config/configuration-error.js';
import { parseDsn } from '../config/dsn.js';
import { StillUsedError } from './contracting-migrations.js';
import { openSession } from './dedicated-session.js';
import { migrate, waitForSchema } from './migrations.js';
import { makePartitions } from './partitions.repository.js';
import type { PooledDatabase } from './pooled-database.js';
import { refuseOldVersion } from './pooler-detection.js';
import { isConnectionLost, isPermissionDenied } from './sql-errors.js';

export type StartupPhase =
  'connecting' | 'migrating' | 'waiting_for_schema' | 'waiting_for_masters' | 'ready';

export interface StartupOptions {
  readonly dsn: string;
  readonly directDsn: string;
  readonly migrateDsn: string;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** Milliseconds between two tries; default 250. */
  readonly retryEvery?: number;
  /** Milliseconds between two lines about the same trouble; default 5,000. */
  readonly logEvery?: number;
}

export class DatabaseStartup {
  readonly #options: StartupOptions;
  readonly #stop = new AbortController();
  #phase: StartupPhase = 'connecting';
  #running: Promise<void> | undefined;

  constructor(options: StartupOptions) {
    this.#options = options;
  }

  get phase(): StartupPhase {
    return this.#phase;
  }

  /** Why statements cannot run yet; undefined once they can. For `PooledDatabaseOptions.gate`. */
  readonly whyNotReady = (): string | undefined => reasons[this.#phase];

  /** Resolves when the database is ready. Rejects when the start is stopped. */
  whenReady(): Promise<void> {
    return this.#running ?? Promise.reject(new Error('the start of the database was not begun'));
  }

  /**
   * Begins, and waits at most `patienceMs`: a master must serve its probes while the database is down, but
   * in the usual case everything else should find it ready. What only a person can mend within that time,
   * a wrong setting, is thrown.
   */
  async begin(database: PooledDatabase, patienceMs: number): Promise<void> {
    let refuse: (reason: unknown) => void = () => undefined;
    const refused = new Promise<never>((_, reject) => (refuse = reject));
    refused.catch(() => undefined);
    this.#running = this.#untilReady(database, refuse);
    this.#running.catch(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs)));
    try {
      await Promise.race([this.#running, refused, patience]);
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): void {
    this.#stop.abort(new Error('this master is shutting down'));
  }

  async #untilReady(database: PooledDatabase, refuse: (reason: unknown) => void): Promise<void> {
    const { log, retryEvery = 250, logEvery = 5000 } = this.#options;
    let nextLine = 0;
    for (;;) {
      this.#stop.signal.throwIfAborted();
      try {
        await this.#attempt(database);
        this.#phase = 'ready';
        return;
      } catch (error) {
        this.#stop.signal.throwIfAborted();
        if (error instanceof ConfigurationError) refuse(error);
        const used = error instanceof StillUsedError;
        this.#phase = used ? 'waiting_for_masters' : 'connecting';
        if (Date.now() >= nextLine) {
          nextLine = Date.now() + logEvery;
          const waitsFor = used ? 'older masters' : 'the database';
          log.warn(`waiting for ${waitsFor}: ${(error as Error).message}`);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, retryEvery));
    }
  }

  async #attempt(database: PooledDatabase): Promise<void> {
    const { dsn, directDsn, migrateDsn, log } = this.#options;
    refuseOldVersion(await database.connect(), 'database.dsn');
    // Only the start tells whether a session may live there; the lock session comes later.
    await (await openSession({ dsn: directDsn, purpose: 'start' })).end();
    this.#phase = 'migrating';
    const user = parseDsn(dsn).user;
    try {
      const applied = await migrate({
        dsn: migrateDsn,
        log: (message) => log.info(message),
        ...(user !== parseDsn(migrateDsn).user && { masterRole: user }),
      });
      // Sessions made before know neither the role's new settings nor the new tables' shapes.
      if (applied.length > 0) await database.renew();
    } catch (error) {
      if (!isPermissionDenied(error)) throw error;
      this.#phase = 'waiting_for_schema';
      await waitForSchema({ dsn: directDsn, log: (message) => log.warn(message), signal: this.#stop.signal });
      await database.renew();
    }
    await this.#readyDays();
  }

  /**
   * Whoever leads makes partitions too, but later: after a week without any master the first submits would
   * find none. No reason to stay away: what is missing then is missing for that duty as well, which says so.
   */
  async #readyDays(): Promise<void> {
    const { directDsn, log } = this.#options;
    const session = await openSession({ dsn: directDsn, purpose: 'start' });
    try {
      const made = await makePartitions(session);
      if (made > 0) log.info(`made ${made} partitions for today and the days ahead`);
    } catch (error) {
      if (isConnectionLost(error)) throw error;
      log.warn(`could not make the partitions of the days ahead: ${(error as Error).message}`);
    } finally {
      await session.end();
    }
  }
}

const reasons: Readonly<Record<StartupPhase, string | undefined>> = {
  connecting: 'no connection to the database yet',
  migrating: 'the database schema is being brought up to date',
  waiting_for_schema: 'the database schema is not there yet; run `ffmpeg-master migrate up`',
  waiting_for_masters: 'a migration waits until masters of an older version have stopped; the log names one',
  ready: undefined,
};
