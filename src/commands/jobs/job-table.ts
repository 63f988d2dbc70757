/** Jobs as a table of at most 80 columns: the number stands for the id, since every command takes it. */
import type { Job } from '../../protocol/job.js';
import { formatAge } from '../terminal/figures.js';
import { renderTable } from '../terminal/table.js';

export function jobTable(jobs: readonly Job[], now: number = Date.now()): string {
  return renderTable(
    [
      { title: 'JOB', value: (job: Job) => job.sequence_number, align: 'right' },
      { title: 'STATUS', value: statusOf },
      { title: 'DONE', value: (job) => `${Math.floor(job.progress)}%`, align: 'right' },
      { title: 'QUEUE', value: (job) => job.queue, narrow: 'cut' },
      { title: 'PRIORITY', value: (job) => job.priority },
      { title: 'SCENARIO', value: (job) => job.scenario, narrow: 'cut' },
      { title: 'NODE', value: (job) => job.node_name, narrow: 'cut' },
      { title: 'AGE', value: (job) => formatAge(job.created_at, now), align: 'right' },
    ],
    jobs,
  );
}

/** `paused`, `queued (limit)`, or the state alone. */
export function statusOf(job: Job): string {
  if (job.waiting_for !== null && job.waiting_for !== undefined) return `${job.status} (${job.waiting_for})`;
  return job.paused ? `${job.status} (paused)` : job.status;
}

/** What a person knows a job by: the name of its output or input, else its number. */
export function labelOf(job: Job): string {
  const file = job.parameters.output ?? job.parameters.input?.split('/').at(-1);
  return `#${job.sequence_number} ${file ?? job.scenario}`;
}
