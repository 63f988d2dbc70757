import { Injectable } from '@nestjs/common';
import { isTerminal } from '../protocol/job-status.js';
import type { HistoryDay } from './history.repository.js';
import { History } from './history.js';
import { JobListRepository, type Walk, type Walked } from './job-list.repository.js';
import type { JobRow } from './job-row.js';
import type { JobFilter } from './list-query.js';

export interface JobPage {
  rows: JobRow[];
  /** Jobs below this number follow; undefined at the end. */
  next: number | undefined;
}

/**
 * Rows that a page looks at, about: 20 ms on the machine of the ADRs. A page whose filter fits seldom comes back
 * short, or empty, with a cursor to go on from where it ended; so no page costs more in a larger table.
 */
export const LOOKED_AT_A_PAGE = 20_000;

/** Days one page may look into. */
const DAYS_A_PAGE = 32;

/**
 * Lists live and archived jobs in one order, by sequence number from the newest down. History is
 * partitioned by the day of archiving, in which numbers overlap a little, so the days are walked by their
 * highest number and the walk ends where no further day can reach into the page.
 */
@Injectable()
export class JobList {
  constructor(
    private readonly repository: JobListRepository,
    private readonly history: History,
  ) {}

  async page(tenant_id: string, filter: JobFilter, before: number, limit: number): Promise<JobPage> {
    const statuses = filter.status ?? [];
    const wantsLive = statuses.length === 0 || !statuses.every(isTerminal);
    const wantsHistory = statuses.length === 0 || statuses.some(isTerminal);
    // From the primary, so not within what runs on one server.
    const days = wantsHistory ? await this.daysBelow(before, filter.created_after) : [];
    return this.repository.read(async (pages) => {
      const page = new PageInMaking(tenant_id, filter, before, limit);
      // Live rows are read first: a job that is archived meanwhile is then found twice, never missed.
      if (wantsLive) page.add(await pages.live(page.walk()));
      for (const [visited, day] of days.entries()) {
        if (highestOf(day) < page.from) break;
        if ((page.isSpent || visited >= DAYS_A_PAGE) && highestOf(day) + 1 < before) {
          page.endAt(highestOf(day) + 1);
          break;
        }
        // A page that cannot move the cursor looks further: days overlap where jobs waited for long.
        page.add(await pages.archived(day.day, page.walk()));
      }
      return page.made();
    });
  }

  private async daysBelow(before: number, created_after: string | undefined): Promise<HistoryDay[]> {
    const from = created_after ? new Date(created_after).toISOString().slice(0, 10) : '';
    return (await this.history.days())
      .filter((day) => day.day >= from && mayReachBelow(day, before))
      .sort((a, b) => highestOf(b) - highestOf(a) || (a.day < b.day ? 1 : -1));
  }
}

/** A closed day without jobs has a range that holds no number. */
function mayReachBelow({ lowest, highest }: HistoryDay, before: number): boolean {
  return lowest === null || highest === null || (lowest < before && lowest <= highest);
}

/** An open day can hold any number. */
function highestOf(day: HistoryDay): number {
  return day.highest ?? Infinity;
}

class PageInMaking {
  private found: JobRow[] = [];
  /** All from this number on was looked at, wherever a walk ended. */
  private end = 0;
  private looked = 0;

  constructor(
    private readonly tenant_id: string,
    private readonly filter: JobFilter,
    private readonly before: number,
    private readonly limit: number,
  ) {}

  /** Jobs below this number would not be shown. */
  get from(): number {
    return Math.max(this.end, this.found[this.limit]?.sequence_number ?? 0);
  }

  get isSpent(): boolean {
    return this.looked >= LOOKED_AT_A_PAGE;
  }

  /** One more than is shown tells whether there are more. */
  walk(): Walk {
    const { tenant_id, filter, before, from, limit } = this;
    const wanted = limit + 1;
    return {
      tenant_id,
      filter,
      before,
      from,
      wanted,
      most: Math.max(wanted, LOOKED_AT_A_PAGE - this.looked),
    };
  }

  add({ rows, looked, end = 0 }: Walked): void {
    this.looked += looked;
    this.end = Math.max(this.end, end);
    this.found = newestFirst([...this.found, ...rows])
      .filter((row) => row.sequence_number >= this.end)
      .slice(0, this.limit + 1);
  }

  endAt(number: number): void {
    this.add({ rows: [], looked: 0, end: number });
  }

  made(): JobPage {
    const rows = this.found.slice(0, this.limit);
    const more = this.found.length > this.limit ? rows.at(-1)?.sequence_number : undefined;
    return { rows, next: more ?? (this.end > 0 ? this.end : undefined) };
  }
}

function newestFirst(rows: JobRow[]): JobRow[] {
  const seen = new Set<string>();
  return rows
    .sort((a, b) => b.sequence_number - a.sequence_number || Number(b.completed_at) - Number(a.completed_at))
    .filter((row) => !seen.has(row.id) && seen.add(row.id));
}
