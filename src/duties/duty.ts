/**
 * A duty: a periodic task that only the leader runs. One file each, `x.duty.ts`, with its SQL in
 * `x.repository.ts` beside it; `duties.module.ts` lists them. A new one needs a name, an interval and a `run`
 * whose statements are fenced (leadership/fence.sql.ts) and change a bounded number of rows each, so that
 * the next leader never waits for long.
 */
import type { Milliseconds } from '../config/durations.js';
import type { Term } from '../leadership/leadership.js';

export interface Duty {
  /** Label of its metrics. */
  readonly name: string;
  /** From one run to the next; a run that takes longer makes the next one be skipped. `term`: once a term. */
  readonly every: Milliseconds | 'term';
  /** @returns how many rows it changed. Throws `TermOver` where the fence was not met. */
  run(term: Term): Promise<number>;
  /**
   * At the start of a term: for a duty that also runs between its intervals, by calling `runNow`.
   * @returns what undoes it at the end of the term
   */
  onTerm?(runNow: () => void): () => void;
}

/** The fence of a duty's statement was not met: another master leads by now, and nothing was changed. */
export class TermOver extends Error {
  override readonly name = 'TermOver';

  constructor(epoch: number) {
    super(`the term of epoch ${epoch} is over`);
  }
}

/** Repeats a statement of at most `limit` rows while it comes back full; answers how many rows in all. */
export function whileFull(limit: number, next: () => Promise<number>): Promise<number> {
  return whileMore(limit, async () => {
    const rows = await next();
    return { looked: rows, rows };
  });
}

export interface Look {
  /** Rows that it looked at. */
  readonly looked: number;
  /** Rows among them that it changed: the others are held by somebody, and were skipped. */
  readonly rows: number;
}

/**
 * The same for a statement that looks at rows before it locks them: one row that somebody holds must not make
 * all that stand behind it wait for the next interval. It ends where all that it looked at is held: looking
 * again would find the same.
 */
export async function whileMore(limit: number, next: () => Promise<Look>): Promise<number> {
  let all = 0;
  for (;;) {
    const { looked, rows } = await next();
    all += rows;
    if (looked < limit || rows === 0) return all;
  }
}
