/**
 * Lists and statistics from the replica while it is well: it answers, and is at most ten seconds behind. It
 * is looked at every two seconds and never within a request, so a replica that swallows everything delays
 * nobody but those whose statement it has. Readiness does not depend on it.
 */
import type { BeforeApplicationShutdown, OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from '../logging/logger.js';
import type { Queryable } from './database.js';
import { readLastSign } from './last-sign.repository.js';
import type { PooledDatabase } from './pooled-database.js';
import { ReadDatabase } from './read-database.js';
import type { ReplicaMetrics } from './replica.metrics.js';
import { codeOf, isConnectionLost, isTimeout } from './sql-errors.js';

export interface ReplicaReadsParts {
  readonly primary: Queryable;
  /** Any server of `database.replica_dsn`: a standby, a pooler, a managed endpoint, even the primary itself. */
  readonly replica: PooledDatabase;
  readonly metrics: ReplicaMetrics;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds from one look to the next; default 2,000. */
  readonly lookEvery?: number;
}

/** Milliseconds. */
const LOOK_EVERY = 2_000;

/** Milliseconds for its answer to a look. */
const ANSWERS_WITHIN = 2_000;

/** Milliseconds behind the primary beyond which people would take a list for wrong rather than for old. */
export const MOST_BEHIND = 10_000;

export class ReplicaReads extends ReadDatabase implements BeforeApplicationShutdown, OnApplicationShutdown {
  readonly #parts: ReplicaReadsParts;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #well = false;
  /** What was logged last, so that a trouble is told once. */
  #told: 'well' | 'unwell' | undefined;

  constructor(parts: ReplicaReadsParts) {
    super();
    this.#parts = parts;
  }

  /** Looks at the replica now, and from then on. Until it was found well, the primary answers. */
  start(): this {
    this.#parts.metrics.up.set(0);
    this.#timer = setInterval(() => void this.look(), this.#parts.lookEvery ?? LOOK_EVERY);
    void this.look();
    return this;
  }

  async read<T>(work: (source: Queryable) => Promise<T>): Promise<T> {
    const { primary, replica, metrics } = this.#parts;
    if (this.#well) {
      try {
        // One transaction is one connection: an endpoint with several servers behind it shows one of them.
        const answer = await replica.transaction(work);
        metrics.reads.inc({ server: 'replica' });
        return answer;
      } catch (error) {
        if (!isServersFault(error)) throw error;
        if (isConnectionLost(error)) this.#leave(error.message);
      }
    }
    metrics.reads.inc({ server: 'primary' });
    return work(primary);
  }

  /** Whoever asks while a look is under way shares it. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.#timer);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#parts.replica.close();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { primary, replica, metrics } = this.#parts;
    // Nothing can be said without the primary; what was true of the replica is believed.
    const now = await readLastSign(primary).catch(() => undefined);
    if (now === undefined) return;
    try {
      const behind = Math.max(0, now - (await inTime(readLastSign(replica))));
      metrics.behind.set(behind / 1000);
      if (behind <= MOST_BEHIND) await this.#join();
      else this.#leave(`it is ${Math.round(behind / 1000)} s behind`);
    } catch (error) {
      metrics.behind.remove();
      this.#leave((error as Error).message);
    }
  }

  async #join(): Promise<void> {
    this.#well = true;
    this.#parts.metrics.up.set(1);
    if (this.#told === 'well') return;
    this.#told = 'well';
    const { name } = await this.#parts.replica.connect();
    this.#parts.log.info(`lists and statistics are read from the replica ${name}`);
  }

  #leave(why: string): void {
    this.#well = false;
    this.#parts.metrics.up.set(0);
    if (this.#told === 'unwell') return;
    this.#told = 'unwell';
    this.#parts.log.warn(
      `lists and statistics are read from the primary, since the replica of database.replica_dsn will not do: ${why}`,
    );
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ANSWERS_WITHIN} ms`)), ANSWERS_WITHIN);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/**
 * Whether the primary may do better: the replica is gone, has no such table yet, or gave the statement up for
 * its replay. Not so where the statement took too long there, or this master's own connections are busy:
 * the primary would then carry what was kept from it.
 */
function isServersFault(error: unknown): error is Error {
  return isConnectionLost(error) || (codeOf(error) !== undefined && !isTimeout(error));
}
