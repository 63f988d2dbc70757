/** A database that tells which statements were sent, and holds one back or loses its answer when told to. */
import { Database, type Queryable } from '../../src/database/database.js';
import type { Statement } from '../../src/database/statement.js';

export class WatchedDatabase extends Database {
  /** Names, in the order in which they were sent. */
  readonly sent: string[] = [];
  /** Statements that ran to their end and whose sender was told that the connection was lost. */
  readonly lost: string[] = [];
  #holding: { readonly name: string; readonly until: Promise<void> } | undefined;
  #late: { readonly name: string; readonly reached: () => void; readonly until: Promise<void> } | undefined;
  #losing: string | undefined;

  constructor(private readonly inner: Database) {
    super();
  }

  async query<Row>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    const { name } = statement;
    this.sent.push(name);
    if (this.#holding?.name === name) await this.#holding.until;
    const rows = await this.run<Row>(statement, values);
    if (this.#losing !== name) return rows;
    this.#losing = undefined;
    this.lost.push(name);
    throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
  }

  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return this.inner.transaction((transaction) =>
      work({
        query: <Row>(statement: Statement, values?: readonly unknown[]) => {
          this.sent.push(statement.name);
          return transaction.query<Row>(statement, values);
        },
      }),
    );
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

  /** The next statement of this name commits when `commit` is called; `reached` tells that it only waits for that. */
  commitLate(name: string): { reached: Promise<void>; commit: () => void } {
    let commit = () => {};
    const until = new Promise<void>((resolve) => (commit = resolve));
    const reached = new Promise<void>((resolve) => (this.#late = { name, reached: resolve, until }));
    return { reached, commit };
  }

  /** The next answer of this statement gets lost, after its commit. */
  lose(name: string): void {
    this.#losing = name;
  }

  count(name: string): number {
    return this.sent.filter((sent) => sent === name).length;
  }

  private run<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const late = this.#late;
    if (late?.name !== statement.name) return this.inner.query<Row>(statement, values);
    this.#late = undefined;
    return this.inner.transaction(async (transaction) => {
      const rows = await transaction.query<Row>(statement, values);
      late.reached();
      await late.until;
      return rows;
    });
  }
}
