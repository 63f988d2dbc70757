/**
 * The pool of a master. Connections go to the one server that takes writes; when it fails, the next
 * statement looks for it anew, and where the answer is another server the pool is built again. A statement
 * is never repeated here: only its sender knows whether that would do harm.
 */
import { Socket } from 'node:net';
import pg from 'pg';
import { arrayText } from './array-text.js';
import { ConnectionPlaces } from './connection-places.js';
import { Database, type Queryable } from './database.js';
import type { DatabaseMetrics } from './database.metrics.js';
import { IdleTrim } from './idle-trim.js';
import { Overloaded } from './overloaded.js';
import { inspectServer, whyNoWrites } from './pooler-detection.js';
import { NoServerError, ServerLocator, type Server } from './server-locator.js';
import { sessionTimeouts } from './session-timeouts.js';
import { SilenceWatch } from './silence-watch.js';
import { codeOf, isConnectionLost, isNotPrimary, noServer } from './sql-errors.js';
import { statement, type Statement } from './statement.js';

export interface PooledDatabaseOptions {
  readonly dsn: string;
  /** Most connections at once; default 25. Up to four of them, and half at most, are kept for hot statements. */
  readonly maxOpenConns?: number;
  /** Most connections kept while idle; default 5. Others are closed once they were of no use for `idleTrimMs`. */
  readonly maxIdleConns?: number;
  /** Milliseconds; default 5,000. */
  readonly idleTrimMs?: number;
  /** Milliseconds after which a connection is closed once it is free; 0: never. Default five minutes. */
  readonly connMaxLifetimeMs?: number;
  /** Milliseconds after which an idle connection is closed; 0: never. Default one minute. */
  readonly connMaxIdleTimeMs?: number;
  /** Milliseconds to wait for a free connection, or for a new one to be made; default 5,000. */
  readonly acquireTimeoutMs?: number;
  /** False: a standby will do. Default true. */
  readonly readWrite?: boolean;
  /** Why statements are refused for now; undefined while they are not. */
  readonly gate?: () => string | undefined;
  readonly metrics?: DatabaseMetrics;
  /** Told of idle connections that broke and of changes of server; never holds a password. */
  readonly onEvent?: (message: string) => void;
}

interface Generation {
  readonly server: Server;
  readonly pool: pg.Pool;
  /** Of all its connections, those among them that are still being made. */
  readonly sockets: ReadonlySet<Socket>;
}

/** A connection in use, and in which kind of place. */
interface Acquired {
  readonly client: pg.PoolClient;
  readonly server: Server;
  readonly hot: boolean;
}

export class PooledDatabase extends Database {
  readonly #options: Required<Omit<PooledDatabaseOptions, 'gate' | 'metrics' | 'onEvent'>> &
    Pick<PooledDatabaseOptions, 'gate' | 'metrics' | 'onEvent'>;
  readonly #locator: ServerLocator;
  readonly #places: ConnectionPlaces;
  readonly #pools = new Set<pg.Pool>();
  readonly #endings = new Set<Promise<void>>();
  readonly #unwatch: (() => void) | undefined;
  /** Only where there is another host to go to. */
  readonly #silence: SilenceWatch | undefined;
  /** Connections whose session keeps the first plan of a statement. */
  readonly #keepingPlans = new WeakSet<pg.PoolClient>();
  #current: Generation | undefined;
  #lastServer: string | undefined;
  #suspect = false;
  #closed = false;

  constructor(options: PooledDatabaseOptions) {
    super();
    this.#options = {
      maxOpenConns: 25,
      maxIdleConns: 5,
      idleTrimMs: 5000,
      connMaxLifetimeMs: 300_000,
      connMaxIdleTimeMs: 60_000,
      acquireTimeoutMs: 5000,
      readWrite: true,
      ...options,
    };
    this.#places = new ConnectionPlaces(this.#options.maxOpenConns);
    this.#locator = new ServerLocator(options.dsn, {
      readWrite: this.#options.readWrite,
      connectTimeoutMs: Math.min(3000, this.#options.acquireTimeoutMs),
    });
    if (this.#locator.several) this.#silence = new SilenceWatch(() => this.#leaveSilentServer());
    this.#unwatch = options.metrics?.watchPool(() => this.figures());
  }

  /** Connects if nothing is connected yet and answers where to. */
  async connect(): Promise<Server> {
    return (await this.#generation()).server;
  }

  async query<Row>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    try {
      return await this.#queryOnce<Row>(statement, values);
    } catch (error) {
      if (!isStalePlan(error)) throw error;
      // A migration changed what a prepared statement answers. The server refused it unexecuted.
      this.#retire();
      return this.#queryOnce<Row>(statement, values);
    }
  }

  async #queryOnce<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const acquired = await this.#acquire(statement.hot === true);
    let failure: unknown;
    try {
      await this.#choosePlans(acquired, statement, values);
      return await this.#run<Row>(acquired, statement, values);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      this.#release(acquired, failure);
    }
  }

  async transaction<T>(
    work: (transaction: Queryable) => Promise<T>,
    { hot = false }: { readonly hot?: boolean } = {},
  ): Promise<T> {
    const acquired = await this.#acquire(hot);
    let failure: unknown;
    try {
      await this.#begin(acquired);
      const result = await work({
        query: <Row>(statement: Statement, values: readonly unknown[] = []) =>
          this.#run<Row>(acquired, statement, values),
      });
      await this.#commit(acquired);
      return result;
    } catch (error) {
      failure = error;
      // Whatever the server would say now, the first error is the one that tells.
      if (!isConnectionLost(error)) {
        await this.#run(acquired, rollback, []).catch((second: unknown) => (failure = second));
      }
      throw error;
    } finally {
      this.#release(acquired, failure);
    }
  }

  /** Waits until the database answers, at most `withinMs`; then throws why it does not. */
  async whenConnected(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      try {
        await this.query(ping);
        return;
      } catch (error) {
        if (performance.now() > deadline || this.#closed) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Connections made from now on are new ones: role settings and cached plans are read again. */
  async renew(): Promise<void> {
    this.#retire();
    this.#locator.forget();
    await this.#generation();
  }

  /** Refuses new statements and waits for those that run. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retire();
    await Promise.all(this.#endings);
    this.#unwatch?.();
  }

  figures(): { open: number; inUse: number; idle: number; waiting: number } {
    const sum = (read: (pool: pg.Pool) => number) =>
      [...this.#pools].reduce((all, pool) => all + read(pool), 0);
    const open = sum((pool) => pool.totalCount);
    const idle = sum((pool) => pool.idleCount);
    return { open, idle, inUse: open - idle, waiting: this.#places.waiting };
  }

  async #run<Row>(
    { client, server }: Acquired,
    { name, text, prepared }: Statement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    const started = performance.now();
    try {
      const config = prepared && !server.pooled ? { name, text } : { text };
      const { rows } = await this.#send(() => client.query({ ...config, values: values.map(asParameter) }));
      return rows as Row[];
    } finally {
      this.#options.metrics?.observeQuery(name, (performance.now() - started) / 1000);
    }
  }

  /**
   * A session makes five plans of a named statement before it keeps one. Of the claim, the report and the submit that
   * took 84 ms on a busy machine for each connection of a pool, most of it while somebody waited for a job.
   * Switched only where the next statement minds, which on most connections is once.
   */
  async #choosePlans(
    { client, server }: Acquired,
    { onePlan = false }: Statement,
    values: readonly unknown[],
  ) {
    if (server.pooled || (!onePlan && values.length === 0)) return;
    if (onePlan === this.#keepingPlans.has(client)) return;
    await this.#send(() => client.query(onePlan ? KEEP_PLANS : CHOOSE_PLANS));
    if (onePlan) this.#keepingPlans.add(client);
    else this.#keepingPlans.delete(client);
  }

  /** Locally, since a rollback would take back what was set for the session. */
  async #begin({ client }: Acquired): Promise<void> {
    const started = performance.now();
    const keeping = this.#keepingPlans.has(client);
    await this.#send(() => client.query(keeping ? `BEGIN; ${CHOOSE_PLANS_LOCALLY}` : 'BEGIN'));
    this.#options.metrics?.observeQuery('Begin', (performance.now() - started) / 1000);
  }

  /** COMMIT of a failed transaction answers ROLLBACK and no error: a swallowed error would look like success. */
  async #commit({ client, server }: Acquired): Promise<void> {
    const started = performance.now();
    const { command } = await this.#send(() => client.query('COMMIT'));
    this.#options.metrics?.observeQuery('Commit', (performance.now() - started) / 1000);
    if (command !== 'COMMIT') {
      throw new Error(
        `the transaction on ${server.name} was rolled back because a statement of it had failed`,
      );
    }
  }

  async #acquire(hot: boolean): Promise<Acquired> {
    const started = performance.now();
    const { acquireTimeoutMs } = this.#options;
    const closedBecause = this.#options.gate?.();
    if (closedBecause !== undefined) throw new NotReadyError(closedBecause);
    for (let attempt = 1; ; attempt += 1) {
      // Before the wait for a place: where there is no server, that is what everybody shall be told.
      const { pool, server } = await this.#generation();
      const waited = performance.now() - started;
      if (!(await this.#places.take(hot, Math.max(0, acquireTimeoutMs - waited)))) throw this.#allBusy(hot);
      try {
        const client = await this.#connect(pool);
        client.on('error', ignore);
        this.#options.metrics?.observeWait((performance.now() - started) / 1000);
        return { client, server, hot };
      } catch (error) {
        this.#places.give(hot);
        // Retired between our look and our turn: nothing was sent yet, so its successor may have a go.
        if (this.#current?.pool !== pool && !this.#closed && attempt < 5) continue;
        if (isWaitTimeout(error)) throw this.#allBusy(hot);
        this.#distrust(error);
        throw error;
      }
    }
  }

  /** An idle connection is no sign of the server. */
  async #connect(pool: pg.Pool): Promise<pg.PoolClient> {
    this.#silence?.begin();
    try {
      return await pool.connect();
    } finally {
      this.#silence?.end(false);
    }
  }

  async #send<T>(send: () => Promise<T>): Promise<T> {
    if (this.#silence === undefined) return send();
    this.#silence.begin();
    let heard = true;
    try {
      return await send();
    } catch (error) {
      heard = !isConnectionLost(error);
      throw error;
    } finally {
      this.#silence.end(heard);
    }
  }

  #allBusy(hot: boolean): Overloaded {
    const { maxOpenConns, acquireTimeoutMs } = this.#options;
    const { ordinary } = this.#places;
    const which =
      hot || ordinary === maxOpenConns
        ? `All ${maxOpenConns} database connections of this master`
        : `The ${ordinary} of this master's ${maxOpenConns} database connections that are not kept for claims, reports, heartbeats and submits`;
    return new Overloaded(
      `${which} were busy for ${acquireTimeoutMs} ms; raise database.max_open_conns or look for slow statements.`,
    );
  }

  #release({ client, hot }: Acquired, failure: unknown): void {
    client.off('error', ignore);
    const lost = failure !== undefined && (isConnectionLost(failure) || isNotPrimary(failure));
    client.release(lost);
    this.#places.give(hot);
    if (lost) this.#distrust(failure);
  }

  /** Next time, look whether the server is still the one to use; its pool stays if it is. */
  #distrust(error: unknown): void {
    if (!isConnectionLost(error) && !isNotPrimary(error)) return;
    this.#suspect = true;
    // The other sessions on a server that takes no writes are as useless as the one that was told.
    if (isNotPrimary(error) && !isConnectionLost(error)) this.#retire();
  }

  async #generation(): Promise<Generation> {
    if (this.#closed) throw new Error('the database is closed: this master is shutting down');
    if (this.#current !== undefined && !this.#suspect) return this.#current;
    if (this.#suspect) {
      this.#suspect = false;
      this.#locator.forget();
    }
    const server = await this.#locator.locate().catch((error: unknown) => {
      this.#suspect = true;
      throw error;
    });
    if (this.#closed) throw new Error('the database is closed: this master is shutting down');
    if (this.#current?.server.identity === server.identity && this.#current.server.pooled === server.pooled) {
      return this.#current;
    }
    return this.#adopt(server);
  }

  #adopt(server: Server): Generation {
    if (this.#lastServer !== undefined && this.#lastServer !== server.name) {
      this.#options.onEvent?.(`the database moved from ${this.#lastServer} to ${server.name}`);
    }
    this.#lastServer = server.name;
    this.#retire();
    this.#current = this.#build(server);
    return this.#current;
  }

  /** Where another server is found to be the one to use, nobody waits for the answers of the silent one. */
  async #leaveSilentServer(): Promise<void> {
    const silent = this.#current;
    if (silent === undefined || this.#closed) return;
    this.#locator.forget();
    const server = await this.#locator.locate().catch(() => undefined);
    if (server === undefined || server.name === silent.server.name || this.#closed) return;
    if (this.#current === silent) this.#adopt(server);
    const reason = new SilentServerError(silent.server.name);
    for (const socket of silent.sockets) socket.destroy(reason);
  }

  #build(server: Server): Generation {
    const { maxOpenConns, connMaxIdleTimeMs, connMaxLifetimeMs, acquireTimeoutMs } = this.#options;
    const sockets = new Set<Socket>();
    const pool = new pg.Pool({
      ...server.config,
      stream: () => {
        const socket = new Socket();
        sockets.add(socket);
        return socket.once('close', () => sockets.delete(socket));
      },
      ...(server.pooled ? {} : sessionTimeouts),
      // For a link that swallows everything: the server's own time-out ends a statement sooner.
      query_timeout: sessionTimeouts.statement_timeout + 1000,
      connectionTimeoutMillis: acquireTimeoutMs,
      max: maxOpenConns,
      idleTimeoutMillis: connMaxIdleTimeMs,
      maxLifetimeSeconds: connMaxLifetimeMs / 1000,
      onConnect: (this.#options.readWrite ? refuseReadOnly(server) : undefined) as pg.PoolConfig['onConnect'],
    });
    new IdleTrim(pool, this.#options.maxIdleConns, this.#options.idleTrimMs);
    pool.on('error', (error) => {
      if (this.#current?.pool !== pool) return;
      this.#suspect = true;
      this.#options.onEvent?.(`an idle connection to ${server.name} broke: ${error.message}`);
    });
    this.#pools.add(pool);
    return { server, pool, sockets };
  }

  #retire(): void {
    const pool = this.#current?.pool;
    this.#current = undefined;
    if (pool === undefined) return;
    const ending = pool.end().finally(() => {
      this.#pools.delete(pool);
      this.#endings.delete(ending);
    });
    this.#endings.add(ending);
  }
}

/**
 * A plan that is kept must not read a table from end to end because that was small, or was thought to be, when the plan
 * was made: deleting leases so took a report 367 µs a job once 800,000 dead ones were left. Without such a scan a
 * plan's cost is no more what jit goes by.
 */
const KEEP_PLANS = 'SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off';
const CHOOSE_PLANS = 'RESET plan_cache_mode; RESET enable_seqscan; RESET jit';
const CHOOSE_PLANS_LOCALLY =
  'SET LOCAL plan_cache_mode = auto; SET LOCAL enable_seqscan = on; SET LOCAL jit = on';

const rollback = statement('Rollback', 'ROLLBACK', { prepared: false });
/** Hot, since groups that lost their connection wait for it. */
const ping = statement('Ping', 'SELECT 1', { prepared: false, hot: true });

/**
 * A name or an address may lead to another server than at our first look. The pool awaits what this
 * answers, against its types.
 */
function refuseReadOnly(server: Server): (client: pg.ClientBase) => Promise<void> {
  return async (client) => {
    const reason = whyNoWrites(await inspectServer(client));
    if (reason !== undefined) throw new NoServerError([{ server: server.name, reason }]);
  };
}

/** Its code makes `isConnectionLost` true: senders wait and come again. */
export class NotReadyError extends Error {
  override readonly name = 'NotReadyError';
  readonly code = noServer;
}

/** Its code makes `isConnectionLost` true: what the statement did is unknown. */
class SilentServerError extends Error {
  override readonly name = 'SilentServerError';
  readonly code = 'ETIMEDOUT';

  constructor(server: string) {
    super(`${server} answered nothing any more, and another server takes writes now`);
  }
}

function asParameter(value: unknown): unknown {
  return Array.isArray(value) ? (arrayText(value) ?? value) : value;
}

function isStalePlan(error: unknown): boolean {
  return codeOf(error) === '0A000' && (error as Error).message.startsWith('cached plan');
}

function isWaitTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect';
}

/** The statement that runs is told of the error as well. */
function ignore(): void {}
