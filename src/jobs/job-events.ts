import { Injectable } from '@nestjs/common';
import type { JobEvent } from '../protocol/job.js';
import { History } from './history.js';
import { JobEventsRepository, type JobEventRow } from './job-events.repository.js';
import { daysOfJob } from './job-days.js';
import type { JobRow } from './job-row.js';

/** Days in one statement. A job's events lie between its creation and its end. */
const DAYS_AT_ONCE = 7;

/** The event log of single jobs: gap-free by `n`, so a reader waits for nobody. */
@Injectable()
export class JobEvents {
  constructor(
    private readonly repository: JobEventsRepository,
    private readonly history: History,
  ) {}

  /** Events after the nth, oldest first. Those past `retention.history` are gone. */
  async list(job: JobRow, after: number, limit: number): Promise<JobEvent[]> {
    const [oldest] = await this.history.days();
    if (!oldest) return [];
    const days = daysOfJob(job, oldest.day);
    const events: JobEvent[] = [];
    for (let start = 0; start < days.length && events.length < limit; start += DAYS_AT_ONCE) {
      const n = events.at(-1)?.n ?? after;
      const rows = await this.repository.list(
        days.slice(start, start + DAYS_AT_ONCE),
        job.id,
        n,
        limit - events.length,
      );
      events.push(...rows.map(toEvent));
    }
    return events;
  }
}

export function toEvent(row: JobEventRow): JobEvent {
  return { ...row, at: row.at.toISOString(), data: row.data ?? {} };
}
