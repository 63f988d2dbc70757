import type { Queryable } from './database.js';

/**
 * Where lists and statistics are read: the primary, or the replica of `database.replica_dsn`, which may be some
 * seconds behind. Nothing that decides may be read here, so it is no `Database`: who injects that one by
 * mistake gets the primary, and who injects this one cannot write.
 */
export abstract class ReadDatabase {
  /**
   * Runs `work` on one server. A later statement sees no older state than an earlier one, so that what moves
   * between two tables meanwhile is found in one of them. Where the replica fails, `work` runs again, from its
   * beginning, on the primary.
   */
  abstract read<T>(work: (source: Queryable) => Promise<T>): Promise<T>;
}

/** Everything from the primary: no replica is set. */
export class PrimaryReads extends ReadDatabase {
  constructor(private readonly primary: Queryable) {
    super();
  }

  read<T>(work: (source: Queryable) => Promise<T>): Promise<T> {
    return work(this.primary);
  }
}
