import { Injectable } from '@nestjs/common';
import { isTerminal } from '../protocol/job-status.js';
import type { HistoryDay } from './history.repository.js';
import { History } from './history.js';
import { JobListRepository } from './job-list.repository.js';
import type { JobRow } from './job-row.js';
import type { JobFilter } from './list-query.js';

export interface JobPage {
  rows: JobRow[];
  /** Jobs below this number follow; undefined at the end. */
  next: number | undefined;
}

/** Days one page may look into; a page of a rare status may come back short, with a cursor to go on. */
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
    // Live rows are read first: a job that is archived meanwhile is then found twice, never missed.
    const live =
      statuses.length > 0 && statuses.every(isTerminal)
        ? []
        : await this.repository.live(tenant_id, filter, before, limit + 1);
    const days =
      statuses.length > 0 && !statuses.some(isTerminal)
        ? []
        : await this.daysBelow(before, filter.created_after);

    let found = live;
    let visited = 0;
    for (const day of days) {
      const last = found[limit];
      if (last !== undefined && last.sequence_number > highestOf(day)) break;
      // A page that cannot move the cursor looks further: days overlap where jobs waited for long.
      if (visited >= DAYS_A_PAGE && highestOf(day) + 1 < before)
        return cutAbove(found, highestOf(day), limit);
      const rows = await this.repository.archived(day.day, tenant_id, filter, before, limit + 1);
      found = newestFirst([...found, ...rows]).slice(0, limit + 1);
      visited += 1;
    }
    const rows = found.slice(0, limit);
    return { rows, next: found.length > limit ? rows.at(-1)?.sequence_number : undefined };
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

function newestFirst(rows: JobRow[]): JobRow[] {
  const seen = new Set<string>();
  return rows
    .sort((a, b) => b.sequence_number - a.sequence_number || Number(b.completed_at) - Number(a.completed_at))
    .filter((row) => !seen.has(row.id) && seen.add(row.id));
}

/** Only what lies above the days that were not looked into is complete. */
function cutAbove(found: JobRow[], highest: number, limit: number): JobPage {
  const rows = found.filter((row) => row.sequence_number > highest).slice(0, limit);
  return { rows, next: rows.length === limit ? rows.at(-1)?.sequence_number : highest + 1 };
}
