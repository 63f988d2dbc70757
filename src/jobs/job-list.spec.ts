import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobList, type JobPage } from './job-list.js';
import type { JobListRepository } from './job-list.repository.js';
import type { JobRow } from './job-row.js';
import type { History } from './history.js';
import { DAY_MS, dayOf } from './job-days.js';

/** Jobs by the day they were archived on; -1 is live. */
interface Placed {
  readonly sequence_number: number;
  readonly place: number;
}

const nameOf = (place: number) => dayOf(place * DAY_MS);

function listOver(jobs: readonly Placed[], days: number, open: ReadonlySet<number>) {
  let statements = 0;
  const page = (place: number, before: number, limit: number) => {
    statements += 1;
    const rows = jobs
      .filter((job) => job.place === place && job.sequence_number < before)
      .map(({ sequence_number }) => ({ id: String(sequence_number), sequence_number, status: 'completed' }))
      .sort((a, b) => b.sequence_number - a.sequence_number)
      .slice(0, limit);
    return Promise.resolve(rows as unknown as JobRow[]);
  };
  const repository = {
    live: (_: string, __: unknown, before: number, limit: number) => page(-1, before, limit),
    archived: (day: string, _: string, __: unknown, before: number, limit: number) =>
      page(Date.parse(day) / DAY_MS, before, limit),
  };
  const history = {
    days: () =>
      Promise.resolve(
        Array.from({ length: days }, (_, place) => {
          const numbers = jobs.filter((job) => job.place === place).map((job) => job.sequence_number);
          if (open.has(place)) return { day: nameOf(place), lowest: null, highest: null };
          // As the duty closes a day without jobs: with a range that holds no number.
          if (numbers.length === 0) return { day: nameOf(place), lowest: 1, highest: 0 };
          return { day: nameOf(place), lowest: Math.min(...numbers), highest: Math.max(...numbers) };
        }),
      ),
  };
  const list = new JobList(repository as unknown as JobListRepository, history as unknown as History);
  return { list, statements: () => statements };
}

async function walk(list: JobList, limit: number): Promise<{ numbers: number[]; pages: number }> {
  const numbers: number[] = [];
  let before = Number.MAX_SAFE_INTEGER;
  for (let pages = 1; ; pages += 1) {
    const page: JobPage = await list.page('default', {}, before, limit);
    numbers.push(...page.rows.map((row) => row.sequence_number));
    if (page.next === undefined) return { numbers, pages };
    expect(page.next).toBeLessThan(before);
    before = page.next;
  }
}

describe('the walk over live jobs and history', () => {
  it('finds all once and in order, however the days overlap and wherever they are open', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 90 }),
        fc.array(fc.integer({ min: -1, max: 89 }), { maxLength: 150 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 89 }), { maxLength: 10 }),
        fc.integer({ min: 1, max: 20 }),
        async (days, places, open, limit) => {
          const jobs = places
            .filter((place) => place < days)
            .map((place, k) => ({ sequence_number: k + 1, place }));
          const { list } = listOver(jobs, days, new Set(open.filter((day) => day < days)));
          const { numbers } = await walk(list, limit);
          expect(numbers).toEqual(jobs.map((job) => job.sequence_number).reverse());
        },
      ),
    );
  });

  it('comes to an end over 100 days that each hold a job as old as the first', async () => {
    // Retried or long-scheduled jobs: every day's range reaches down to the beginning.
    const jobs = Array.from({ length: 100 }, (_, day) => [
      { sequence_number: day + 1, place: day },
      { sequence_number: 1000 + day, place: day },
    ]).flat();
    const { list } = listOver(jobs, 100, new Set());
    expect((await walk(list, 500)).numbers).toHaveLength(200);
  });

  it('does not look into days that cannot reach into the page', async () => {
    const jobs = Array.from({ length: 1000 }, (_, k) => ({
      sequence_number: k + 1,
      place: Math.floor(k / 10),
    }));
    const { list, statements } = listOver(jobs, 100, new Set());
    await list.page('default', {}, Number.MAX_SAFE_INTEGER, 10);
    expect(statements()).toBeLessThanOrEqual(3);

    const idle = listOver([{ sequence_number: 1, place: -1 }], 100, new Set([99]));
    await idle.list.page('default', {}, Number.MAX_SAFE_INTEGER, 10);
    expect(idle.statements()).toBe(2);
  });
});
