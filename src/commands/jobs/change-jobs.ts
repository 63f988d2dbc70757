/** `jobs cancel|pause|resume|retry`: each takes several jobs and goes on where one of them is refused. */
import type { Command } from 'commander';
import type { Job } from '../../protocol/job.js';
import { Failure } from '../failures.js';
import { addClientFlags, type ClientFlags, printJson, withClient } from '../rest/client-flags.js';
import { Refusal } from '../rest/refusal.js';
import type { RestClient } from '../rest/rest-client.js';
import { statusOf } from './job-table.js';

const CHANGES = {
  cancel: 'end jobs at once',
  pause: 'hold jobs: queued ones are not claimed, running ones stand still',
  resume: 'let paused jobs go on',
  retry: 'queue failed or canceled jobs again',
} as const;

export function defineJobChanges(jobs: Command): void {
  for (const [change, summary] of Object.entries(CHANGES)) {
    addClientFlags(jobs.command(change).description(summary).argument('<job...>')).action(
      async (references: string[], flags: ClientFlags) =>
        withClient(flags, (client) => changeAll(client, change, references, flags)),
    );
  }
}

async function changeAll(
  client: RestClient,
  change: string,
  references: readonly string[],
  { output }: ClientFlags,
): Promise<void> {
  const changed: Job[] = [];
  const refused: string[] = [];
  for (const reference of references) {
    try {
      const job = await client.post<Job>(`/jobs/${encodeURIComponent(reference)}/${change}`);
      changed.push(job);
      if (output === 'table') process.stdout.write(`job ${job.sequence_number} is ${statusOf(job)}\n`);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error;
      refused.push(references.length > 1 ? `${reference}: ${error.message}` : error.message);
    }
  }
  if (output === 'json' && changed.length > 0)
    printJson(references.length === 1 ? changed[0] : { items: changed });
  if (refused.length > 0) throw new Failure(refused.join('\nffmpeg-master: '));
}
