import { describe, expect, it } from 'vitest';
import { LeaseClock } from './lease-clock.js';
import { defaultSlots, Slots } from './slots.js';

describe('Slots', () => {
  it('counts attempts and open claims, each once', () => {
    const slots = new Slots(3);
    const claim = slots.promise(2);
    const attempt = slots.take();
    expect([slots.free, slots.inUse]).toEqual([0, 1]);
    claim.settle();
    claim.settle();
    expect(slots.free).toBe(2);
    attempt.release();
    attempt.release();
    expect([slots.free, slots.inUse]).toEqual([3, 0]);
  });
});

describe('slots of a machine', () => {
  it('are one for every four cores, shared by its workers, and at least one each', () => {
    expect([1, 4, 7, 8, 64].map((cores) => defaultSlots(1, cores))).toEqual([1, 1, 1, 2, 16]);
    expect([2, 8, 16, 64].map((cores) => defaultSlots(2, cores))).toEqual([1, 1, 2, 8]);
  });
});

describe('LeaseClock', () => {
  it('counts from the sending of the request and is not shortened by an older answer', () => {
    const lease = new LeaseClock(1_000, 30);
    expect(lease.remaining(1_000)).toBe(30_000);
    lease.renew(5_000, 30);
    lease.renew(2_000, 30);
    expect([lease.remaining(6_000), lease.remaining(40_000)]).toEqual([29_000, 0]);
  });
});
