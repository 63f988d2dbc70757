/** What a duty answers of the jobs that it ended for good, so that the rates of their queues can be counted. */
import type { QueueRates } from '../jobs/queue-rates.js';

/** A column of the final SELECT: jobs in the CTE `source` whose next state is terminal, by queue. */
export function jobsFinished(source: string): string {
  return `(SELECT coalesce(jsonb_object_agg(t.queue, t.jobs), '{}')
           FROM (SELECT queue, count(*) AS jobs FROM ${source} WHERE next_status = 'failed' GROUP BY queue) t) AS finished`;
}

export type JobsFinished = Readonly<Record<string, number>>;

export function countFinished(rates: QueueRates, finished: JobsFinished): void {
  for (const [queue, jobs] of Object.entries(finished)) rates.finished(queue, jobs);
}
