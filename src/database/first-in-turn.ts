/**
 * The first success of several tries: each begins once the one before it has failed, or was given its head start.
 * What is asked first is preferred, and what says nothing holds nobody up.
 */
import { setTimeout as after } from 'node:timers/promises';

/**
 * @param headStart milliseconds
 * @throws AggregateError with one error a try, in their order, where all failed
 */
export async function firstInTurn<T>(tries: readonly (() => Promise<T>)[], headStart: number): Promise<T> {
  const over = new AbortController();
  let turn: Promise<unknown> = Promise.resolve();
  const runs = tries.map((begin) => {
    const run = turn.then(() => (over.signal.aborted ? never<T>() : begin()));
    turn = Promise.race([
      run.catch(() => undefined),
      turn.then(() => after(headStart, undefined, { signal: over.signal }).catch(() => undefined)),
    ]);
    return run;
  });
  try {
    return await Promise.any(runs);
  } finally {
    over.abort();
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
