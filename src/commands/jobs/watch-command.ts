/** `jobs watch`: a progress bar a job, until all are done. */
import type { Command } from 'commander';
import type { Job } from '../../protocol/job.js';
import { Failure } from '../failures.js';
import { addClientFlags, type ClientFlags, printJson, withClient } from '../rest/client-flags.js';
import type { RestClient } from '../rest/rest-client.js';
import { progressBoard } from '../terminal/progress-board.js';
import { labelOf } from './job-table.js';
import { watchJobs } from './watch-jobs.js';

export function defineJobsWatch(command: Command): void {
  addClientFlags(command.description('watch jobs until they are done').argument('<job...>')).action(
    async (jobs: string[], flags: ClientFlags) =>
      withClient(flags, (client) => watchAndTell(client, jobs, flags)),
  );
}

/** Throws a Failure that names what did not complete. */
export async function watchAndTell(
  client: RestClient,
  references: readonly string[],
  { output }: Pick<ClientFlags, 'output'>,
): Promise<void> {
  // With --output json, stdout is for the answer alone.
  const board =
    output === 'json' ? undefined : progressBoard({ jobs: new Set(references).size, label: labelOf });
  let jobs: Job[];
  try {
    jobs = await watchJobs(client, references, { onChange: (job) => board?.show(job) });
  } finally {
    board?.stop();
  }
  if (output === 'json') printJson(jobs.length === 1 ? jobs[0] : { items: jobs });
  const unfinished = jobs.filter(({ status }) => status !== 'completed');
  if (unfinished.length === 0) return;
  throw new Failure(unfinished.map(endOf).join('\nffmpeg-master: '));
}

function endOf(job: Job): string {
  const why = [job.failure_reason, job.error].filter(Boolean).join(': ');
  return `job ${job.sequence_number} ${job.status}${why === '' ? '' : ` (${why})`}; its log: ffmpeg-master jobs logs ${job.sequence_number}`;
}
