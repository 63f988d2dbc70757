import { Injectable } from '@nestjs/common';
import { Database, type Queryable } from '../database/database.js';
import { type Statement, statement } from '../database/statement.js';
import { FENCE, fenceValues } from '../leadership/fence.sql.js';
import type { Term } from '../leadership/leadership.js';
import { TermOver } from './duty.js';

// The next leader's first statement waits for what holds the fence. A statement that ends by itself after
// 1 s bounds that; so does the second time-out where this process is stopped between statement and commit.
const BoundDuty = statement(
  'BoundDuty',
  `SELECT set_config('statement_timeout', '1000', true), set_config('lock_timeout', '500', true),
          set_config('idle_in_transaction_session_timeout', '500', true)`,
);

const HoldFence = statement('HoldFence', `WITH ${FENCE} SELECT count(*)::int AS fenced FROM fence`);

/** How the duties' statements reach the pool: bounded in time, and only while their term is the current one. */
@Injectable()
export class FencedStatements {
  constructor(private readonly database: Database) {}

  /**
   * Runs one statement that begins with `FENCE` and answers one row with `fenced`. The values of the fence are
   * put before `values`, which begin at $3.
   */
  run<Row extends { fenced: number }>(
    term: Term,
    fencedStatement: Statement,
    values: readonly unknown[] = [],
  ): Promise<Row> {
    return this.database.transaction(async (transaction) => {
      await transaction.query(BoundDuty);
      const [row] = await transaction.query<Row>(fencedStatement, [...fenceValues(term), ...values]);
      if (row === undefined || row.fenced === 0) throw new TermOver(term.epoch);
      return row;
    });
  }

  /** Runs `work` in one transaction that holds the fence from its first statement on. */
  transaction<T>(term: Term, work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return this.database.transaction(async (transaction) => {
      await transaction.query(BoundDuty);
      const [row] = await transaction.query<{ fenced: number }>(HoldFence, fenceValues(term));
      if (row === undefined || row.fenced === 0) throw new TermOver(term.epoch);
      return work(transaction);
    });
  }
}
