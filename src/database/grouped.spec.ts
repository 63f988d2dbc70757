import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, it, vi } from 'vitest';
import { DatabaseMetrics } from './database.metrics.js';
import { Grouped } from './grouped.js';
import { Overloaded } from './overloaded.js';

const lost = () => Object.assign(new Error('cut'), { code: 'ECONNRESET' });
const failed = (message: string) => Object.assign(new Error(message), { code: '22012' });

const held = () => Object.assign(new Error('canceling statement due to lock timeout'), { code: '55P03' });

/** A run that the test ends when it likes. */
function gate() {
  const runs: { items: readonly number[]; answer: () => void; fail: (error: Error) => void }[] = [];
  const run = (items: readonly number[]) =>
    new Promise<number[]>((resolve, reject) => {
      runs.push({ items, answer: () => resolve(items.map((item) => item * 10)), fail: reject });
    });
  return { runs, run };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('Grouped', () => {
  it('sends at once when idle, and together what comes meanwhile', async () => {
    const { runs, run } = gate();
    const grouped = new Grouped({ name: 'test', run });
    const first = grouped.add(1);
    await Promise.resolve();
    expect(runs.map(({ items }) => items)).toEqual([[1]]);

    const others = [grouped.add(2), grouped.add(3)];
    await turn();
    expect(runs).toHaveLength(1);
    expect(grouped.queued).toBe(2);
    runs[0]?.answer();
    expect(await first).toBe(10);
    await turn();
    expect(runs.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    runs[1]?.answer();
    expect(await Promise.all(others)).toEqual([20, 30]);
  });

  it('that gathers sends after a while, or as soon as a group is full, or when it is drained', async () => {
    vi.useFakeTimers();
    try {
      const sizes: number[] = [];
      const run = async (items: readonly number[]) => (sizes.push(items.length), items);
      const grouped = new Grouped({ name: 'test', run, gather: 100, max_group: 3 });
      const two = [grouped.add(1), grouped.add(2)];
      await vi.advanceTimersByTimeAsync(99);
      expect(sizes).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      expect(await Promise.all(two)).toEqual([1, 2]);
      await Promise.all([1, 2, 3].map((item) => grouped.add(item)));
      void grouped.add(1);
      await grouped.drain();
      expect(sizes).toEqual([2, 3, 1]);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('puts what comes in one turn of the event loop into one run', async () => {
    const { runs, run } = gate();
    const grouped = new Grouped({ name: 'test', run });
    const all = [grouped.add(1), grouped.add(2), grouped.add(3)];
    await turn();
    expect(runs.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    runs[0]?.answer();
    expect(await Promise.all(all)).toEqual([10, 20, 30]);
  });

  it('fails the guilty member only', async () => {
    const sizes: number[] = [];
    const grouped = new Grouped<number, number>({
      name: 'test',
      run: async (items) => {
        sizes.push(items.length);
        if (items.includes(2)) throw failed('two is wrong');
        return items.map((item) => item * 10);
      },
    });
    const all = await Promise.allSettled([grouped.add(1), grouped.add(2), grouped.add(3)]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((all[1] as PromiseRejectedResult).reason).toMatchObject({ message: 'two is wrong' });
    expect(sizes).toEqual([3, 1, 1, 1]);
  });

  it('repeats a group once, whole, after the connection was lost', async () => {
    const seen: (readonly number[])[] = [];
    let reconnected = 0;
    const grouped = new Grouped<number, number>({
      name: 'test',
      reconnect: async () => void (reconnected += 1),
      run: async (items) => {
        seen.push(items);
        if (seen.length === 1) throw lost();
        return items.map((item) => item * 10);
      },
    });
    expect(await Promise.all([grouped.add(1), grouped.add(2)])).toEqual([10, 20]);
    expect(seen).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(reconnected).toBe(1);
  });

  it('gives up after the second lost connection, and does not try its members one by one', async () => {
    let runs = 0;
    const grouped = new Grouped<number, number>({
      name: 'test',
      run: async () => {
        runs += 1;
        throw lost();
      },
    });
    const all = await Promise.allSettled([grouped.add(1), grouped.add(2)]);
    expect(all.every((outcome) => outcome.status === 'rejected')).toBe(true);
    expect(runs).toBe(2);
  });

  it.each([
    ['Overloaded', new Overloaded('busy')],
    ['a time-out', Object.assign(new Error('too slow'), { code: '57014' })],
    ['a full disk', Object.assign(new Error('full'), { code: '53100' })],
  ])('does not try members one by one after %s', async (_name, error) => {
    let runs = 0;
    const grouped = new Grouped<number, number>({
      name: 'test',
      run: async () => {
        runs += 1;
        throw error;
      },
    });
    await expect(Promise.all([grouped.add(1), grouped.add(2)])).rejects.toBe(error);
    expect(runs).toBe(1);
  });

  it('fails a member whose row somebody holds, and not its neighbours', async () => {
    const grouped = new Grouped<number, number>({
      name: 'test',
      run: async (items) => {
        if (items.includes(2)) throw held();
        return items.map((item) => item * 10);
      },
    });
    const all = await Promise.allSettled([grouped.add(1), grouped.add(2), grouped.add(3)]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('does not wait for one lock after the other where many are held', async () => {
    let runs = 0;
    const grouped = new Grouped<number, number>({
      name: 'test',
      run: async () => {
        runs += 1;
        throw held();
      },
    });
    const all = await Promise.allSettled([1, 2, 3, 4, 5, 6].map((item) => grouped.add(item)));
    expect(all.every((outcome) => outcome.status === 'rejected')).toBe(true);
    expect(runs).toBe(1 + 3);
  });

  it.each([
    ['the connection is lost', lost, 2],
    ['the disk is full', () => Object.assign(new Error('full'), { code: '53100' }), 1],
  ])('ends trying members one by one where %s meanwhile', async (_name, error, triesEach) => {
    const runs: (readonly number[])[] = [];
    const grouped = new Grouped<number, number>({
      name: 'test',
      run: async (items) => {
        runs.push(items);
        if (items.length > 1) throw failed('one of you');
        if (items[0] === 1) return [10];
        throw error();
      },
    });
    const all = await Promise.allSettled([1, 2, 3, 4].map((item) => grouped.add(item)));
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    expect(runs.slice(1).flat()).toEqual([1, ...Array.from({ length: triesEach }, () => 2)]);
  });

  it('refuses what its queue cannot hold and says when to come again', async () => {
    const { runs, run } = gate();
    const grouped = new Grouped({ name: 'reports', run, max_queued: 2 });
    const running = grouped.add(1);
    await turn();
    const waiting = [grouped.add(2), grouped.add(3)];
    await expect(grouped.add(4)).rejects.toMatchObject({ status: 503, retryAfterSeconds: 1 });
    await expect(grouped.add(4)).rejects.toBeInstanceOf(Overloaded);
    runs[0]?.answer();
    await running;
    await turn();
    runs[1]?.answer();
    expect(await Promise.all(waiting)).toEqual([20, 30]);
  });

  it('drains: resolves when everything has its answer', async () => {
    const { runs, run } = gate();
    const grouped = new Grouped({ name: 'test', run, max_group: 1 });
    await grouped.drain();
    void grouped.add(1);
    void grouped.add(2);
    let drained = false;
    const drain = grouped.drain().then(() => (drained = true));
    await turn();
    runs[0]?.answer();
    await turn();
    expect(drained).toBe(false);
    runs[1]?.answer();
    await drain;
  });

  it('refuses a run that answers too few results, without running it again', async () => {
    let runs = 0;
    const grouped = new Grouped<number, number>({ name: 'test', run: async () => ((runs += 1), [1]) });
    const all = await Promise.allSettled([grouped.add(1), grouped.add(2)]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(runs).toBe(1);
  });

  it('measures its groups', async () => {
    const registry = new Registry();
    const grouped = new Grouped<number, number>({
      name: 'claims',
      metrics: new DatabaseMetrics(registry),
      run: async (items) => [...items],
    });
    await Promise.all([grouped.add(1), grouped.add(2)]);
    const text = await registry.metrics();
    expect(text).toContain('db_group_size_sum{group="claims"} 2');
    expect(text).toContain('db_group_queued{group="claims"} 0');
  });

  it('gives each item its own result, in order, within its bounds, whatever fails', async () => {
    const item = fc.record({
      pauses: fc.nat(3),
      fault: fc.constantFrom('none', 'none', 'none', 'own', 'lost'),
    });
    const bounds = fc.record({
      group: fc.integer({ min: 1, max: 8 }),
      flight: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 60 }), bounds, async (items, { group, flight }) => {
        let running = 0;
        let worst = 0;
        let largest = 0;
        const begun: number[] = [];
        const cut = new Set<number>();
        const grouped = new Grouped<number, string>({
          name: 'test',
          max_group: group,
          in_flight: flight,
          run: async (members) => {
            running += 1;
            worst = Math.max(worst, running);
            largest = Math.max(largest, members.length);
            begun.push(...members.filter((member) => !begun.includes(member)));
            try {
              await turn();
              const unlucky = members.find((n) => items[n]?.fault === 'lost' && !cut.has(n));
              if (unlucky !== undefined) {
                // Once each, and only one a run: a group is repeated once.
                for (const n of members) cut.add(n);
                throw lost();
              }
              const guilty = members.find((n) => items[n]?.fault === 'own');
              if (guilty !== undefined) throw failed(`of ${guilty}`);
              return members.map((n) => `result of ${n}`);
            } finally {
              running -= 1;
            }
          },
        });
        const answers: Promise<string>[] = [];
        for (const [n, { pauses }] of items.entries()) {
          answers.push(grouped.add(n));
          answers.at(-1)?.catch(() => undefined);
          for (let pause = 0; pause < pauses; pause += 1) await turn();
        }
        const outcomes = await Promise.allSettled(answers);
        await grouped.drain();
        for (const [n, outcome] of outcomes.entries()) {
          if (items[n]?.fault === 'own') {
            expect(outcome).toMatchObject({ status: 'rejected', reason: { message: `of ${n}` } });
          } else {
            expect(outcome).toEqual({ status: 'fulfilled', value: `result of ${n}` });
          }
        }
        expect(begun).toEqual(items.map((_, n) => n));
        expect(worst).toBeLessThanOrEqual(flight);
        expect(largest).toBeLessThanOrEqual(group);
        expect(grouped.queued).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
