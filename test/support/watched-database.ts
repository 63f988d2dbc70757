/** A database that tells which statements were sent, and holds one back or loses its answer when told to. */
import { Database, type Queryable } from '../../src/database/database.js';
import type { Statement } from '../../src/database/statement.js';

export class WatchedDatabase extends Database {
  /** Names, in the order in which they were sent. */
  readonly sent: string[] = [];
  /** Statements that ran to their end and whose sender was told that the connection was lost. */
  readonly lost: string[] = [];
  #holding: { readonly name: string; readonly until: Promise<void> } | undefined;
  #losing: string | undefined;

  constructor(private readonly inner: Database) {
    super();
  }

  async query<Row>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    const { name } = statement;
    this.sent.push(name);
    if (this.#holding?.name === name) await this.#holding.until;
    const rows = await this.inner.query<Row>(statement, values);
    if (this.#losing !== name) return rows;
    this.#losing = undefined;
    this.lost.push(name);
    throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
  }

  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return this.inner.transaction(work);
  }

  whenConnected(withinMs: number): Promise<void> {
    return this.inner.whenConnected(withinMs);
  }

  /** Statements of this name wait until the answered function is called. */
  hold(name: string): () => void {
    let release = () => {};
    const until = new Promise<void>((resolve) => (release = resolve));
    this.#holding = { name, until };
    return () => {
      this.#holding = undefined;
      release();
    };
  }

  /** The next answer of this statement gets lost, after its commit. */
  lose(name: string): void {
    this.#losing = name;
  }

  count(name: string): number {
    return this.sent.filter((sent) => sent === name).length;
  }
}
