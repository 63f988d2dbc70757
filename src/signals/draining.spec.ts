import { describe, expect, it, vi } from 'vitest';
import { Draining } from './draining.js';

describe('draining', () => {
  it('tells everybody once', () => {
    const draining = new Draining();
    const [stays, leaves] = [vi.fn(), vi.fn()];
    draining.onBegin(stays);
    draining.onBegin(leaves)();
    expect(draining.isDraining).toBe(false);
    draining.begin();
    draining.begin();
    expect(draining.isDraining).toBe(true);
    expect(stays).toHaveBeenCalledTimes(1);
    expect(leaves).not.toHaveBeenCalled();
  });

  it('tells late comers at once', () => {
    const draining = new Draining();
    draining.begin();
    const late = vi.fn();
    draining.onBegin(late)();
    expect(late).toHaveBeenCalledTimes(1);
  });
});
