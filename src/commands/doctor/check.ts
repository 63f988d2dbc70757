/** One line of `doctor`: what was looked at, what was found, and what to do about it. */

export type Verdict = 'ok' | 'warn' | 'fail';

export interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  /** What was found. */
  readonly found: string;
  /** What to do, where the verdict is not `ok`. */
  readonly mend?: string;
}

export function ok(name: string, found: string): Check {
  return { name, verdict: 'ok', found };
}

/** It works, and will bite. */
export function warn(name: string, found: string, mend: string): Check {
  return { name, verdict: 'warn', found, mend };
}

/** It does not work. */
export function fail(name: string, found: string, mend: string): Check {
  return { name, verdict: 'fail', found, mend };
}
