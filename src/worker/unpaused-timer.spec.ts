import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UnpausedTimer } from './unpaused-timer.js';

describe('a limit that pauses do not use up', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('ends after so much time unpaused, however often and long it was paused', () => {
    const onOver = vi.fn();
    const timer = new UnpausedTimer(1_000, onOver);
    for (let round = 0; round < 4; round++) {
      vi.advanceTimersByTime(200);
      timer.setPaused(true);
      timer.setPaused(true);
      vi.advanceTimersByTime(60_000);
      timer.setPaused(false);
      timer.setPaused(false);
    }
    vi.advanceTimersByTime(199);
    expect([onOver.mock.calls.length, timer.isOver]).toEqual([0, false]);
    vi.advanceTimersByTime(1);
    expect([onOver.mock.calls.length, timer.isOver]).toEqual([1, true]);
  });

  it('never ends once it is stopped, or without a limit', () => {
    const onOver = vi.fn();
    const stopped = new UnpausedTimer(1_000, onOver);
    stopped.setPaused(true);
    stopped.stop();
    stopped.setPaused(false);
    const unlimited = new UnpausedTimer(undefined, onOver);
    unlimited.setPaused(true);
    unlimited.setPaused(false);
    vi.advanceTimersByTime(1e9);
    expect(onOver).not.toHaveBeenCalled();
  });
});
