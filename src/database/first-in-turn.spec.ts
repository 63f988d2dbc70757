import { expect, it } from 'vitest';
import { firstInTurn } from './first-in-turn.js';

/** Longer than any test may take. */
const FOR_EVER = 3_600_000;

it('takes the first that succeeds, and begins nothing after it', async () => {
  const begun: number[] = [];
  const make = (n: number, work: () => Promise<number>) => () => {
    begun.push(n);
    return work();
  };
  const found = await firstInTurn(
    [
      make(1, () => Promise.reject(new Error('refused'))),
      make(2, () => Promise.resolve(2)),
      make(3, () => Promise.resolve(3)),
    ],
    FOR_EVER,
  );
  expect([found, ...begun]).toEqual([2, 1, 2]);
});

it('goes on past one that says nothing, and still takes that one where it answers first', async () => {
  const never = () => new Promise<string>(() => undefined);
  expect(await firstInTurn([never, () => Promise.resolve('heir')], 1)).toBe('heir');

  let answer: (text: string) => void = () => undefined;
  const slow = () => new Promise<string>((resolve) => (answer = resolve));
  const next = () => {
    answer('slow');
    return never();
  };
  expect(await firstInTurn([slow, next], 1)).toBe('slow');
});

it('tells the errors of all in their order, whichever came first', async () => {
  let fail: (error: Error) => void = () => undefined;
  const late = () => new Promise<never>((_, reject) => (fail = reject));
  const soon = () => {
    queueMicrotask(() => fail(new Error('late')));
    return Promise.reject(new Error('soon'));
  };
  const error = (await firstInTurn([late, soon], 1).catch((reason: unknown) => reason)) as AggregateError;
  expect(error.errors).toEqual([new Error('late'), new Error('soon')]);
});
