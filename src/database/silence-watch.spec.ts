import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SilenceWatch } from './silence-watch.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('tells of a server that has said nothing while something waits, again and again', async () => {
  const told = vi.fn(() => Promise.resolve());
  const watch = new SilenceWatch(told);
  watch.begin();
  await vi.advanceTimersByTimeAsync(1_400);
  expect(told).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(told.mock.calls.length).toBeGreaterThan(1);
});

it('tells of nothing while the server answers others, or nobody waits', async () => {
  const told = vi.fn(() => Promise.resolve());
  const watch = new SilenceWatch(told);
  watch.begin();
  for (let second = 0; second < 10; second += 1) {
    watch.begin();
    watch.end(true);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  watch.end(true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told).not.toHaveBeenCalled();
});

it('takes a lost connection for no answer, and calls nobody twice at once', async () => {
  const told = vi.fn(() => new Promise<void>(() => undefined));
  const watch = new SilenceWatch(told);
  watch.begin();
  for (let second = 0; second < 10; second += 1) {
    watch.begin();
    watch.end(false);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(told).toHaveBeenCalledTimes(1);
});
