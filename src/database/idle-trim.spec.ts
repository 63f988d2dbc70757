import { EventEmitter } from 'node:events';
import type { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IdleTrim } from './idle-trim.js';

/** As many idle connections as it is told, and what a pool tells of them. */
class FakePool extends EventEmitter {
  idleCount = 0;
  closed = 0;

  connect() {
    this.take(1);
    return Promise.resolve({ release: (destroy: boolean) => void (this.closed += destroy ? 1 : 0) });
  }

  take(count: number) {
    for (let n = 0; n < count; n += 1) {
      this.idleCount -= 1;
      this.emit('acquire');
    }
  }

  giveBack(count: number) {
    for (let n = 0; n < count; n += 1) {
      this.emit('release');
      this.idleCount += 1;
    }
  }
}

describe('IdleTrim', () => {
  let pool: FakePool;
  beforeEach(() => {
    vi.useFakeTimers();
    pool = new FakePool();
    new IdleTrim(pool as unknown as Pool, 2, 1000);
  });
  afterEach(() => vi.useRealTimers());

  it('closes what was idle beyond the number for all of the time', async () => {
    pool.giveBack(6);
    await vi.advanceTimersByTimeAsync(999);
    expect(pool.closed).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect([pool.closed, pool.idleCount]).toEqual([4, 2]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(pool.closed).toBe(4);
  });

  it('leaves those alone that bursts use again and again', async () => {
    pool.giveBack(6);
    for (let burst = 0; burst < 20; burst += 1) {
      await vi.advanceTimersByTimeAsync(300);
      pool.take(5);
      pool.giveBack(5);
    }
    expect(pool.closed).toBe(0);
    await vi.advanceTimersByTimeAsync(2000);
    expect(pool.idleCount).toBe(2);
  });

  it('closes no more than were of no use', async () => {
    pool.giveBack(6);
    await vi.advanceTimersByTimeAsync(500);
    pool.take(2);
    pool.giveBack(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(pool.closed).toBe(2);
  });

  it('sets no timer for a pool that keeps within its number', () => {
    pool.giveBack(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});
