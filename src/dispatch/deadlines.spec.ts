import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadlines } from './deadlines.js';
import type { WaitingClaim } from './waiting-claim.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function claimFor(ms: number): WaitingClaim {
  const deadline = performance.now() + ms;
  const claim = {
    deadline,
    get patient() {
      return performance.now() < deadline;
    },
  };
  return claim as unknown as WaitingClaim;
}

describe('Deadlines', () => {
  it('tells of each claim once its time is over, at most 100 ms later, those of one slot at once', () => {
    const told: { at: number; claims: WaitingClaim[] }[] = [];
    const deadlines = new Deadlines((claims) => told.push({ at: performance.now(), claims }));
    const claims = Array.from({ length: 50 }, (_, k) => claimFor(1000 + 37 * k));
    for (const claim of claims) deadlines.add(claim);
    vi.advanceTimersByTime(4000);
    const over = told.flatMap(({ at, claims }) =>
      claims.map((claim) => ({ claim, late: at - claim.deadline })),
    );
    expect(new Set(over.map(({ claim }) => claim))).toEqual(new Set(claims));
    expect(over).toHaveLength(claims.length);
    for (const { late } of over) expect(late).toBeGreaterThanOrEqual(0);
    for (const { late } of over) expect(late).toBeLessThanOrEqual(101);
    expect(told.length).toBeLessThanOrEqual(20);
  });

  it('sets no timer but one a slot, and none where nobody waits', () => {
    const deadlines = new Deadlines(() => undefined);
    expect(vi.getTimerCount()).toBe(0);
    for (let k = 0; k < 1000; k += 1) deadlines.add(claimFor(30_000));
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(31_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not tell of a claim that was answered before', () => {
    const over = vi.fn();
    const deadlines = new Deadlines(over);
    const [answered, waiting] = [claimFor(500), claimFor(500)];
    deadlines.add(answered);
    deadlines.add(waiting);
    deadlines.remove(answered);
    vi.advanceTimersByTime(1000);
    expect(over.mock.calls).toEqual([[[waiting]]]);
  });
});
