import { describe, expect, it } from 'vitest';
import { explore, type System, type Violation } from './explorer.js';

/** Numbers that grow by 1 or double, up to 20, each with the steps of its own. */
function counting(told: {
  step?: (to: number) => Violation[];
  state?: (at: number) => Violation[];
  goal?: number;
}): System<number, { kind: string }> {
  return {
    initial: 1,
    steps: (at) =>
      [
        { label: `${at} + 1`, next: at + 1, facts: [{ kind: 'plus' }] },
        { label: `${at} * 2`, next: at * 2, facts: [{ kind: 'times' }] },
      ].filter(({ next }) => next <= 20),
    key: String,
    judgeStep: (_, { next }) => told.step?.(next) ?? [],
    judgeState: (at) => told.state?.(at) ?? [],
    goals: told.goal === undefined ? [] : [{ id: 'goal', reached: (at) => at === told.goal }],
  };
}

describe('the explorer', () => {
  it('visits every state once and every step', () => {
    expect(explore(counting({}))).toEqual({
      states: 20,
      transitions: 29,
      facts: new Map([
        ['plus', 19],
        ['times', 10],
      ]),
    });
  });

  it('finds a shortest path to a bad state', () => {
    const { found } = explore(
      counting({ state: (at) => (at === 9 ? [{ id: 'nine', message: 'it is 9' }] : []) }),
    );
    expect(found).toEqual({ id: 'nine', message: 'it is 9', path: ['1 + 1', '2 * 2', '4 * 2', '8 + 1'] });
  });

  it('judges steps to states that it knows, and passes over what is not sought', () => {
    const step = (to: number) => [{ id: to === 20 ? 'sought' : 'other', message: '' }];
    expect(explore(counting({ step }), { sought: ['sought'] }).found?.path).toEqual([
      ...['1 + 1', '2 * 2', '4 + 1', '5 * 2', '10 * 2'],
    ]);
  });

  it('finds the first state from which a goal is out of reach', () => {
    expect(explore(counting({ goal: 20 })).found).toBeUndefined();
    expect(explore(counting({ goal: 6 })).found).toMatchObject({
      id: 'goal',
      path: ['1 + 1', '2 * 2', '4 * 2'],
    });
  });

  it('refuses more states than it was allowed', () => {
    expect(() => explore(counting({}), { limit: 10 })).toThrow('more than 10 states');
  });
});
