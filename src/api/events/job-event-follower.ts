import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DAY_MS, dayOf, daysBetween } from '../../jobs/job-days.js';
import type { JobEventRow } from '../../jobs/job-events.repository.js';
import { Signals } from '../../signals/signals.js';
import { JobEventFollowerRepository } from './job-event-follower.repository.js';

interface Watch {
  readonly job_id: string;
  after: number;
  readonly tell: (event: JobEventRow) => void;
}

/** Jobs in one statement, and events of each. */
const JOBS_AT_ONCE = 200;
const EVENTS_AT_ONCE = 100;

/**
 * Follows single jobs, all of this master's streams in shared statements. A job's events are numbered under
 * the lock of its row, so what is committed is complete up to its number: nobody waits for other
 * transactions, as the stream of all events has to.
 */
@Injectable()
export class JobEventFollower implements OnModuleInit, OnModuleDestroy {
  private readonly watches = new Set<Watch>();
  private readonly off: (() => void)[] = [];
  private reading = false;
  private again = false;

  constructor(
    private readonly repository: JobEventFollowerRepository,
    private readonly signals: Signals,
  ) {}

  onModuleInit(): void {
    this.off.push(
      // An empty key: several jobs.
      this.signals.on('event', (key) => {
        if (key === '' || [...this.watches].some(({ job_id }) => job_id === key)) this.look();
      }),
      this.signals.onResync(() => this.look()),
    );
  }

  onModuleDestroy(): void {
    for (const off of this.off) off();
  }

  /**
   * Tells each event after the nth, in order. The caller has read all that is older than yesterday.
   * @returns a function that ends it
   */
  watch(job_id: string, after: number, tell: (event: JobEventRow) => void): () => void {
    const watch = { job_id, after, tell };
    this.watches.add(watch);
    this.look();
    return () => this.watches.delete(watch);
  }

  private look(): void {
    this.again = true;
    if (this.reading || this.watches.size === 0) return;
    this.reading = true;
    void this.read().finally(() => (this.reading = false));
  }

  private async read(): Promise<void> {
    while (this.again && this.watches.size > 0) {
      this.again = false;
      const watches = [...this.watches];
      for (let start = 0; start < watches.length; start += JOBS_AT_ONCE) {
        // A failed look is repeated by the next poll.
        await this.readSome(watches.slice(start, start + JOBS_AT_ONCE)).catch(() => undefined);
      }
    }
  }

  private async readSome(watches: readonly Watch[]): Promise<void> {
    const after = new Map<string, number>();
    for (const { job_id, after: n } of watches) after.set(job_id, Math.min(n, after.get(job_id) ?? n));
    const jobs = [...after].map(([job_id, n]) => ({ job_id, after: n }));
    // New events are of today; a day either way for midnight and for a clock that is off.
    const days = daysBetween(dayOf(Date.now() - DAY_MS), dayOf(Date.now() + DAY_MS));
    const events = await this.repository.read(jobs, days, EVENTS_AT_ONCE);
    if (events.length >= EVENTS_AT_ONCE) this.again = true;
    for (const watch of watches) {
      for (const event of events) {
        if (event.job_id !== watch.job_id || event.n <= watch.after || !this.watches.has(watch)) continue;
        watch.after = event.n;
        watch.tell(event);
      }
    }
  }
}
