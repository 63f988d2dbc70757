import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobList, LOOKED_AT_A_PAGE, type JobPage } from './job-list.js';
import type { JobListRepository, JobPages, Walk, Walked } from './job-list.repository.js';
import type { JobRow } from './job-row.js';
import type { History } from './history.js';
import { DAY_MS, dayOf } from './job-days.js';

/** Jobs by the day they were archived on; -1 is live. Where a queue is asked for, only those fit that say so. */
interface Placed {
  readonly sequence_number: number;
  readonly place: number;
  readonly fits?: boolean;
}

const nameOf = (place: number) => dayOf(place * DAY_MS);

/** Where few fit, each job stands for so many rows: a page's bound is met with a few jobs. */
const ROWS_A_JOB = LOOKED_AT_A_PAGE / 20;

function listOver(jobs: readonly Placed[], days: number, open: ReadonlySet<number>) {
  let statements = 0;
  let looked = 0;
  const walked = (place: number, { filter, before, from, wanted, most }: Walk): Promise<Walked> => {
    statements += 1;
    const inOrder = jobs
      .filter((job) => job.place === place && job.sequence_number >= from && job.sequence_number < before)
      .sort((a, b) => b.sequence_number - a.sequence_number);
    const fitting = inOrder.filter(({ fits }) => filter.queue === undefined || fits === true);
    const full = fitting[wanted - 1];
    const stop = full ? inOrder.indexOf(full) + 1 : inOrder.length;
    const each = filter.queue === undefined ? 1 : ROWS_A_JOB;
    const seen = inOrder.slice(0, Math.min(stop, Math.max(1, Math.floor(most / each))));
    looked += seen.length;
    const rows = fitting.filter((job) => seen.includes(job));
    return Promise.resolve({
      rows: rows.map(({ sequence_number }) => ({ id: String(sequence_number), sequence_number })) as JobRow[],
      looked: seen.length * each,
      end: seen.length < inOrder.length ? seen.at(-1)?.sequence_number : undefined,
    });
  };
  const pages = {
    live: (walk: Walk) => walked(-1, walk),
    archived: (day: string, walk: Walk) => walked(Date.parse(day) / DAY_MS, walk),
  } as JobPages;
  const repository = { read: <T>(work: (pages: JobPages) => Promise<T>) => work(pages) };
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
  return { list, statements: () => statements, looked: () => looked };
}

async function walk(list: JobList, limit: number, filter = {}) {
  const numbers: number[] = [];
  let before = Number.MAX_SAFE_INTEGER;
  for (let pages = 1; ; pages += 1) {
    const page: JobPage = await list.page('default', filter, before, limit);
    expect(page.rows.length).toBeLessThanOrEqual(limit);
    numbers.push(...page.rows.map((row) => row.sequence_number));
    if (page.next === undefined) return { numbers, pages };
    expect(page.next).toBeLessThan(before);
    before = page.next;
  }
}

describe('the walk over live jobs and history', () => {
  it('finds all that fit once and in order, however the days overlap and wherever they are open', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 90 }),
        fc.array(fc.tuple(fc.integer({ min: -1, max: 89 }), fc.boolean()), { maxLength: 150 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 89 }), { maxLength: 10 }),
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom({}, { queue: 'some' }),
        async (days, places, open, limit, filter) => {
          const jobs = places
            .filter(([place]) => place < days)
            .map(([place, fits], k) => ({ sequence_number: k + 1, place, fits }));
          const { list } = listOver(jobs, days, new Set(open.filter((day) => day < days)));
          const { numbers } = await walk(list, limit, filter);
          const expected = jobs.filter(({ fits }) => fits || filter.queue === undefined);
          expect(numbers).toEqual(expected.map((job) => job.sequence_number).reverse());
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

  it.each([1, 4])(
    'looks at no more rows for a page where nothing fits, %i days or a hundred',
    async (days) => {
      for (const all of [days, 100]) {
        const jobs = Array.from({ length: all * 8 }, (_, k) => ({
          sequence_number: k + 1,
          place: Math.floor(k / 8),
        }));
        const { list, looked } = listOver([...jobs, { sequence_number: 10_000, place: -1 }], all, new Set());
        const page = await list.page('default', { queue: 'none' }, Number.MAX_SAFE_INTEGER, 10);
        expect(page.rows).toEqual([]);
        expect(looked()).toBeLessThanOrEqual(25);
        expect(page.next === undefined).toBe(all === 1);
      }
    },
  );
});
