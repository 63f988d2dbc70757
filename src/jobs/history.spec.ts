import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ArchivedRow, HistoryDay, HistoryRepository } from './history.repository.js';
import { History } from './history.js';
import { DAY_MS, dayOf } from './job-days.js';

const NOW = Date.parse('2026-03-10T12:00:00Z');
const daysAgo = (count: number) => dayOf(NOW - count * DAY_MS);

/** History as a list of (day, id, number); notes which days each statement looked into. */
class FakeHistory {
  readonly looks: string[][] = [];
  readonly rows: { day: string; id: string; sequence_number: number; tenant_id: string }[] = [];
  listed = 0;
  fails = false;
  closed = new Map<string, [number, number]>();

  constructor(readonly days: readonly string[]) {}

  async findOn(days: readonly string[], ids: readonly string[]) {
    this.looks.push([...days]);
    return this.rows.filter(
      (row) => days.includes(row.day) && ids.includes(row.id),
    ) as never as ArchivedRow[];
  }

  async findNumberOn(days: readonly string[], number: number, tenant_id: string) {
    this.looks.push([...days]);
    return this.rows.find(
      (row) => days.includes(row.day) && row.sequence_number === number && row.tenant_id === tenant_id,
    ) as never as ArchivedRow | undefined;
  }

  history(): History {
    const days = async (): Promise<HistoryDay[]> => {
      this.listed += 1;
      if (this.fails) throw new Error('away');
      return this.days.map((day) => {
        const [lowest, highest] = this.closed.get(day) ?? [null, null];
        return { day, lowest, highest };
      });
    };
    const repository = {
      findOn: this.findOn.bind(this),
      findNumberOn: this.findNumberOn.bind(this),
      days,
    };
    return new History(repository as unknown as HistoryRepository);
  }
}

const idOf = (ms: number, k = 0) => {
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-8123-${String(k).padStart(12, '0')}`;
};

let fake: FakeHistory;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  fake = new FakeHistory(Array.from({ length: 400 }, (_, k) => daysAgo(399 - k)));
  for (let k = 1; k < 400; k += 1) fake.closed.set(daysAgo(k), [(399 - k) * 10, (399 - k) * 10 + 9]);
});

afterEach(() => void vi.useRealTimers());

describe('a look-up by id', () => {
  it('finds a job that was archived the day it was made in one statement over three days', async () => {
    const id = idOf(NOW - 200 * DAY_MS);
    fake.rows.push({ day: daysAgo(200), id, sequence_number: 1, tenant_id: 'a' });
    expect(await fake.history().find({ id }, 'a')).toMatchObject({ id });
    expect(fake.looks).toEqual([[daysAgo(201), daysAgo(200), daysAgo(199)]]);
    expect(await fake.history().find({ id }, 'b')).toBeUndefined();
  });

  it('finds many at once, however long each of them waited', async () => {
    const waits = [0, 1, 5, 30, 100];
    const ids = waits.map((wait, k) => {
      const id = idOf(NOW - 150 * DAY_MS, k);
      fake.rows.push({ day: daysAgo(150 - wait), id, sequence_number: k, tenant_id: 'a' });
      return id;
    });
    const found = await fake.history().findByIds([...ids, idOf(NOW - 150 * DAY_MS, 99)]);
    expect(found.map((row) => row.id).sort()).toEqual([...ids].sort());
    for (const look of fake.looks) expect(look.length).toBeLessThanOrEqual(14);
  });
});

describe('a look-up by number', () => {
  it('looks into the closed day that holds it, and into open ones', async () => {
    fake.rows.push({ day: daysAgo(100), id: 'x', sequence_number: 2995, tenant_id: 'a' });
    expect(await fake.history().find({ sequence_number: 2995 }, 'a')).toMatchObject({ id: 'x' });
    expect(fake.looks).toEqual([[daysAgo(0), daysAgo(100)]]);
    expect(await fake.history().find({ sequence_number: 2995 }, 'b')).toBeUndefined();
  });
});

describe('the list of days', () => {
  it('is read once in ten seconds, and again at once after it could not be read', async () => {
    const history = fake.history();
    await Promise.all([history.days(), history.days()]);
    expect(fake.listed).toBe(1);
    vi.setSystemTime(NOW + 10_001);
    fake.fails = true;
    await expect(history.days()).rejects.toThrow('away');
    fake.fails = false;
    await history.days();
    expect(fake.listed).toBe(3);
  });
});
