import type { SchedulerRegistry } from '@nestjs/schedule';
import { SchedulerRegistry as Registry } from '@nestjs/schedule';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Leadership, type Term } from '../leadership/leadership.js';
import { Metrics } from '../metrics/metrics.js';
import { type Duty, TermOver, whileFull, whileMore } from './duty.js';
import { DutyMetrics } from './duty.metrics.js';
import { DutyRunner } from './duty-runner.js';

/** Leadership by command. */
class Office extends Leadership {
  term: Term | undefined;
  readonly steppedDown: string[] = [];
  #start: (term: Term) => void = () => undefined;
  #end: (term: Term) => void = () => undefined;

  onTermStart(listener: (term: Term) => void) {
    this.#start = listener;
    return () => undefined;
  }
  onTermEnd(listener: (term: Term) => void) {
    this.#end = listener;
    return () => undefined;
  }
  stepDown(term: Term, reason: string) {
    this.steppedDown.push(reason);
    this.leave(term);
  }
  resign(): Promise<boolean> {
    return Promise.resolve(false);
  }
  take(epoch: number) {
    this.term = { epoch, master_id: 'm', since: new Date() };
    this.#start(this.term);
  }
  leave(term = this.term) {
    this.term = undefined;
    if (term) this.#end(term);
  }
}

let office: Office;
let metrics: Metrics;
let scheduler: SchedulerRegistry;
beforeEach(() => {
  vi.useFakeTimers();
  office = new Office();
  metrics = new Metrics();
  scheduler = new Registry();
});
afterEach(() => vi.useRealTimers());

function runner(...duties: Duty[]): DutyRunner {
  const made = new DutyRunner({
    duties,
    leadership: office,
    scheduler,
    metrics: new DutyMetrics(metrics),
    logger: pino({ level: 'silent' }),
  });
  made.onModuleInit();
  return made;
}

function duty(name: string, every: Duty['every'], run: Duty['run'] = () => Promise.resolve(1)) {
  return { name, every, run: vi.fn(run) };
}

const outcome = async (name: string, of: string) => {
  const text = await metrics.registry.getSingleMetricAsString('ffrtmp_duty_runs_total');
  return Number(new RegExp(`duty="${name}",outcome="${of}"} (\\d+)`).exec(text)?.[1] ?? 0);
};

describe('the duty runner', () => {
  it('runs all duties in their order as a term begins, then each at its interval, and none after it', async () => {
    const order: string[] = [];
    const [a, b] = [
      duty('a', 1_000, () => Promise.resolve(order.push('a'))),
      duty('b', 5_000, () => Promise.resolve(order.push('b'))),
    ];
    runner(a, b);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(order).toEqual([]);
    office.take(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(order).toEqual(['a', 'b']);
    expect(scheduler.getIntervals()).toEqual(['a', 'b']);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(order.filter((name) => name === 'a')).toHaveLength(6);
    expect(order.filter((name) => name === 'b')).toHaveLength(2);
    office.leave();
    expect(scheduler.getIntervals()).toEqual([]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(order).toHaveLength(8);
    office.take(2);
    await vi.advanceTimersByTimeAsync(0);
    expect(order).toHaveLength(10);
  });

  it('skips a run while the last one is still going', async () => {
    let finish: (rows: number) => void = () => undefined;
    const slow = duty('slow', 1_000, () => new Promise((resolve) => (finish = resolve)));
    runner(slow);
    office.take(1);
    await vi.advanceTimersByTimeAsync(3_500);
    expect(slow.run).toHaveBeenCalledTimes(1);
    expect(await outcome('slow', 'skipped')).toBe(3);
    finish(7);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(slow.run).toHaveBeenCalledTimes(2);
    expect(await metrics.registry.getSingleMetricAsString('ffrtmp_duty_rows_total')).toContain(
      '{duty="slow"} 7',
    );
  });

  it('catches a rejection, counts it and goes on', async () => {
    const failing = duty('failing', 1_000, () => Promise.reject(new Error('no')));
    runner(failing, duty('next', 1_000));
    office.take(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await outcome('failing', 'failed')).toBe(3);
    expect(await outcome('next', 'done')).toBe(3);
    expect(office.steppedDown).toEqual([]);
  });

  it('steps down when a fence was not met', async () => {
    const fenced = duty('fenced', 1_000, () => Promise.reject(new TermOver(1)));
    runner(fenced);
    office.take(1);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(office.steppedDown).toEqual(['the fence of the duty fenced was not met']);
    expect(fenced.run).toHaveBeenCalledTimes(1);
    expect(await outcome('fenced', 'fenced')).toBe(1);
  });

  it('runs nothing where a timer fires but the term is no longer trusted', async () => {
    const a = duty('a', 1_000);
    runner(a);
    office.take(1);
    await vi.advanceTimersByTimeAsync(0);
    office.term = undefined;
    await vi.advanceTimersByTimeAsync(3_000);
    expect(a.run).toHaveBeenCalledTimes(1);
  });

  it('repeats a duty of once a term only where it failed', async () => {
    let fail = true;
    const once = duty('once', 'term', () => (fail ? Promise.reject(new Error('no')) : Promise.resolve(1)));
    runner(once);
    office.take(1);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(once.run).toHaveBeenCalledTimes(2);
    fail = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(once.run).toHaveBeenCalledTimes(3);
  });

  it('runs a duty once more that asked for it while it ran, and forgets the wish with the term', async () => {
    let runNow: () => void = () => undefined;
    let finish: (rows: number) => void = () => undefined;
    const undone = vi.fn();
    const asking = {
      ...duty('asking', 60_000, () => new Promise((resolve) => (finish = resolve))),
      onTerm: (now: () => void) => {
        runNow = now;
        return undone;
      },
    };
    runner(asking);
    office.take(1);
    await vi.advanceTimersByTimeAsync(0);
    runNow();
    runNow();
    finish(0);
    await vi.advanceTimersByTimeAsync(0);
    expect(asking.run).toHaveBeenCalledTimes(2);
    runNow();
    office.leave();
    finish(0);
    await vi.advanceTimersByTimeAsync(0);
    expect(asking.run).toHaveBeenCalledTimes(2);
    expect(undone).toHaveBeenCalledOnce();
  });

  it('waits 100 ms at most for what runs when the process stops', async () => {
    const made = runner(duty('stuck', 1_000, () => new Promise(() => undefined)));
    office.take(1);
    await vi.advanceTimersByTimeAsync(0);
    let stopped = false;
    void made.onModuleDestroy().then(() => (stopped = true));
    await vi.advanceTimersByTimeAsync(99);
    expect(stopped).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(stopped).toBe(true);
    expect(scheduler.getIntervals()).toEqual([]);
  });
});

describe('whileFull', () => {
  it('repeats while the statement comes back full', async () => {
    const rows = [10, 10, 3, 10];
    expect(await whileFull(10, () => Promise.resolve(rows.shift() ?? 0))).toBe(23);
    expect(rows).toEqual([10]);
  });
});

describe('whileMore', () => {
  it('goes on past rows that others hold, and ends where all it looked at is held', async () => {
    const looks = [
      { looked: 10, rows: 9 },
      { looked: 10, rows: 1 },
      { looked: 10, rows: 0 },
      { looked: 10, rows: 10 },
    ];
    expect(await whileMore(10, () => Promise.resolve(looks.shift() ?? { looked: 0, rows: 0 }))).toBe(10);
    expect(looks).toHaveLength(1);
    expect(await whileMore(10, () => Promise.resolve({ looked: 9, rows: 8 }))).toBe(8);
  });
});
