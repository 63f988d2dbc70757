import type { Statement } from './statement.js';

/** What a repository needs of a database: a pool, or the connection of one transaction. */
export interface Queryable {
  /** Runs one statement and answers its rows. Errors keep their SQLSTATE in `code`. */
  query<Row>(statement: Statement, values?: readonly unknown[]): Promise<Row[]>;
}

/**
 * The pool of a master, as repositories see it. An abstract class, so that Nest can inject it by type;
 * `PooledDatabase` is the implementation.
 */
export abstract class Database implements Queryable {
  abstract query<Row>(statement: Statement, values?: readonly unknown[]): Promise<Row[]>;
  /**
   * Runs `work` in one transaction on one connection; rolls back when it throws.
   * @param options.hot as of a statement: it may have a connection that is kept for those
   */
  abstract transaction<T>(
    work: (transaction: Queryable) => Promise<T>,
    options?: { readonly hot?: boolean },
  ): Promise<T>;
  /** Waits until the database answers, at most `withinMs`; then throws why it does not. */
  abstract whenConnected(withinMs: number): Promise<void>;
}
