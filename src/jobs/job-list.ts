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
 * Rows that a page looks at, about (10 to 30 ms). A page whose filter fits seldom comes back short, or empty,
 * with a cursor to go on from where it ended; so no page costs more in a larger table.
 */
export const LOOKED_AT_A_PAGE = 10_000;

/** Rows that one statement looks at: what one of them passes in a stretch of numbers, the others must pass too. */
const LOOKED_AT_A_STATEMENT = 2_500;

/** Statements of a page. Days may hold little: a page of a rare status would else look into all of them. */
const STATEMENTS_A_PAGE = 32;

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
      do {
        // Live rows are read first: a job that is archived meanwhile is then found twice, never missed.
        if (wantsLive) page.add(await pages.live(page.walk()));
        for (const day of days.filter((one) => mayReachBelow(one, page.before))) {
          if (highestOf(day) < page.from) break;
          if (page.isSpent && highestOf(day) + 1 < page.before) {
            page.endAt(highestOf(day) + 1);
            break;
          }
          // A page that cannot move the cursor looks further: days overlap where jobs waited for long.
          page.add(await pages.archived(day.day, page.walk()));
        }
      } while (page.endStretch());
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

/** A page is made of stretches of numbers, each looked through in all places where a job can be. */
class PageInMaking {
  private readonly shown: JobRow[] = [];
  private found: JobRow[] = [];
  /** Of this stretch, all from this number on was looked at, wherever a walk was cut. */
  private end = 0;
  private next: number | undefined;
  private looked = 0;
  private statements = 0;

  constructor(
    private readonly tenant_id: string,
    private readonly filter: JobFilter,
    /** The stretch is below this number. */
    public before: number,
    private readonly limit: number,
  ) {}

  /** Jobs below this number would not be shown. */
  get from(): number {
    return Math.max(this.end, this.found[this.missing]?.sequence_number ?? 0);
  }

  get isSpent(): boolean {
    return this.looked >= LOOKED_AT_A_PAGE || this.statements >= STATEMENTS_A_PAGE;
  }

  walk(): Walk {
    const { tenant_id, filter, before, from } = this;
    // One more than is shown tells whether there are more.
    const wanted = this.missing + 1;
    const most = this.isSpent ? wanted : Math.max(wanted, LOOKED_AT_A_STATEMENT);
    return { tenant_id, filter, before, from, wanted, most };
  }

  add({ rows, looked, end }: Walked): void {
    this.statements += 1;
    this.looked += looked;
    this.endAt(end ?? 0);
    this.keep([...this.found, ...rows]);
  }

  endAt(number: number): void {
    this.end = Math.max(this.end, number);
    this.keep(this.found);
  }

  /** Answers whether another stretch is needed, and may be. */
  endStretch(): boolean {
    const { missing, end } = this;
    this.shown.push(...this.found.slice(0, missing));
    this.next = this.found.length > missing ? this.shown.at(-1)?.sequence_number : end > 0 ? end : undefined;
    this.before = this.next ?? this.before;
    [this.found, this.end] = [[], 0];
    return this.next !== undefined && this.missing > 0 && !this.isSpent;
  }

  made(): JobPage {
    return { rows: this.shown, next: this.next };
  }

  private get missing(): number {
    return this.limit - this.shown.length;
  }

  private keep(rows: JobRow[]): void {
    this.found = newestFirst(rows)
      .filter((row) => row.sequence_number >= this.end)
      .slice(0, this.missing + 1);
  }
}

function newestFirst(rows: JobRow[]): JobRow[] {
  const seen = new Set<string>();
  return rows
    .sort((a, b) => b.sequence_number - a.sequence_number || Number(b.completed_at) - Number(a.completed_at))
    .filter((row) => !seen.has(row.id) && seen.add(row.id));
}
