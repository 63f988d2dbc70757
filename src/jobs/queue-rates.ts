import { Injectable } from '@nestjs/common';

/** Seconds over which rates are counted. */
const WINDOW = 60;

/** Jobs of one queue in the last minute, as this master saw them. */
export interface QueueRate {
  readonly queue: string;
  readonly submitted_per_minute: number;
  readonly finished_per_minute: number;
}

/**
 * Counts what this master's statements committed, queue by queue, over a minute that slides by the second. In
 * memory, so that no submit and no report writes anything for it; `QueueRatesService` shares the sums.
 */
@Injectable()
export class QueueRates {
  private readonly submits = new Map<string, SlidingCount>();
  private readonly ends = new Map<string, SlidingCount>();
  private seconds: () => number = () => Math.floor(performance.now() / 1000);

  /** Reads the time from a clock of whole seconds; for tests. */
  static by(seconds: () => number): QueueRates {
    return Object.assign(new QueueRates(), { seconds });
  }

  submitted(queue: string, jobs = 1): void {
    this.count(this.submits, queue, jobs);
  }

  /** Jobs that came to a terminal state. */
  finished(queue: string, jobs = 1): void {
    this.count(this.ends, queue, jobs);
  }

  /** Queues in which something happened in the last minute, by name. */
  lastMinute(): QueueRate[] {
    const now = this.seconds();
    const submitted = sums(this.submits, now);
    const finished = sums(this.ends, now);
    return [...new Set([...submitted.keys(), ...finished.keys()])].sort().map((queue) => ({
      queue,
      submitted_per_minute: submitted.get(queue) ?? 0,
      finished_per_minute: finished.get(queue) ?? 0,
    }));
  }

  private count(counts: Map<string, SlidingCount>, queue: string, jobs: number): void {
    let count = counts.get(queue);
    if (!count) counts.set(queue, (count = new SlidingCount()));
    count.add(this.seconds(), jobs);
  }
}

/** One place for each second of the window, used again a window later. */
class SlidingCount {
  private readonly jobs = new Float64Array(WINDOW);
  private readonly second = new Float64Array(WINDOW).fill(-Infinity);

  add(now: number, jobs: number): void {
    const place = now % WINDOW;
    if (this.second[place] !== now) this.jobs[place] = 0;
    this.second[place] = now;
    this.jobs[place] = (this.jobs[place] ?? 0) + jobs;
  }

  sum(now: number): number {
    return this.jobs.reduce((all, jobs, place) => {
      return all + ((this.second[place] ?? -Infinity) > now - WINDOW ? jobs : 0);
    }, 0);
  }
}

/** Sums above 0; what has fallen silent is forgotten, since names of queues are the clients' choice. */
function sums(counts: Map<string, SlidingCount>, now: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const [queue, count] of counts) {
    const sum = count.sum(now);
    if (sum > 0) found.set(queue, sum);
    else counts.delete(queue);
  }
  return found;
}
