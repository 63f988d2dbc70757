import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionPlaces } from './connection-places.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('ConnectionPlaces', () => {
  it.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 2],
    [8, 4],
    [25, 21],
  ])('of %i leaves ordinary statements %i', (all, ordinary) => {
    expect(new ConnectionPlaces(all).ordinary).toBe(ordinary);
  });

  it('admits in the order of arrival, but for ordinary ones while they fill their share', async () => {
    const places = new ConnectionPlaces(4);
    const admitted: string[] = [];
    const take = (name: string, hot: boolean) => places.take(hot, 60_000).then(() => admitted.push(name));
    for (const name of ['o1', 'o2', 'o3']) void take(name, false);
    for (const name of ['h1', 'h2', 'h3']) void take(name, true);
    await turn();
    expect(admitted).toEqual(['o1', 'o2', 'h1', 'h2']);
    expect(places.waiting).toBe(2);
    places.give(true);
    await turn();
    expect(admitted.slice(4)).toEqual(['h3']);
    void take('h4', true);
    places.give(false);
    await turn();
    expect(admitted.slice(5)).toEqual(['o3']);
  });

  it('lets those go who waited too long, and passes their turn on', async () => {
    const places = new ConnectionPlaces(1);
    await places.take(true, 0);
    expect(await places.take(true, 1)).toBe(false);
    const next = places.take(false, 60_000);
    expect(places.waiting).toBe(1);
    places.give(true);
    expect(await next).toBe(true);
    expect(places.waiting).toBe(0);
  });

  it('holds its bounds and admits everybody, whatever comes and goes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.record({ hot: fc.boolean(), turns: fc.nat(3), pause: fc.nat(1) }), { maxLength: 60 }),
        async (all, visits) => {
          const places = new ConnectionPlaces(all);
          let [held, ordinary] = [0, 0];
          const visiting: Promise<void>[] = [];
          for (const { hot, turns, pause } of visits) {
            const visit = async () => {
              expect(await places.take(hot, 60_000)).toBe(true);
              held += 1;
              ordinary += hot ? 0 : 1;
              expect(held).toBeLessThanOrEqual(all);
              expect(ordinary).toBeLessThanOrEqual(places.ordinary);
              for (let n = 0; n < turns; n += 1) await turn();
              held -= 1;
              ordinary -= hot ? 0 : 1;
              places.give(hot);
            };
            visiting.push(visit());
            if (pause === 1) await turn();
          }
          await Promise.all(visiting);
          expect([held, ordinary, places.waiting]).toEqual([0, 0, 0]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
