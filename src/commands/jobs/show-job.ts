/** `jobs show`: all that is known of one job, and its events on request. */
import type { Command } from 'commander';
import type { Job, JobEvent } from '../../protocol/job.js';
import { addClientFlags, type ClientFlags, printJson, withClient } from '../rest/client-flags.js';
import type { RestClient } from '../rest/rest-client.js';
import { formatSeconds, formatSize } from '../terminal/figures.js';
import { renderPairs, renderTable } from '../terminal/table.js';
import { statusOf } from './job-table.js';

interface Flags extends ClientFlags {
  readonly events?: boolean;
}

export function defineJobShow(command: Command): void {
  addClientFlags(command.description('show one job').argument('<job>'))
    .option('--events', 'its event log instead')
    .action(async (job: string, flags: Flags) =>
      withClient(flags, (client) =>
        flags.events ? showEvents(client, job, flags) : show(client, job, flags),
      ),
    );
}

async function show(client: RestClient, reference: string, flags: Flags): Promise<void> {
  const job = await client.get<Job>(`/jobs/${encodeURIComponent(reference)}`);
  if (flags.output === 'json') return printJson(job);
  process.stdout.write(`${jobPage(job)}\n`);
}

export function jobPage(job: Job): string {
  const video = job.result?.streams?.find(({ type }) => type === 'video');
  return renderPairs([
    ['job', job.sequence_number],
    ['id', job.id],
    ['status', statusOf(job)],
    ['progress', `${Math.floor(job.progress)}%`],
    ['scenario', job.scenario],
    ['parameters', Object.keys(job.parameters).length > 0 ? job.parameters : undefined],
    ['queue', `${job.queue}, priority ${job.priority}`],
    ['requirements', Object.keys(job.requirements).length > 0 ? job.requirements : undefined],
    ['tags', job.tags.join(', ')],
    ['node', job.node_name ?? job.node_id],
    ['attempt', `${job.attempt}, retries ${job.retry_count} of ${job.max_retries}`],
    ['run at', job.run_at],
    ['created', job.created_at],
    ['assigned', job.assigned_at],
    ['started', job.started_at],
    ['completed', job.completed_at],
    ['output', job.result?.output],
    ['size', formatSize(job.result?.size_bytes)],
    ['duration', formatSeconds(job.result?.duration_seconds)],
    [
      'video',
      video && [video.codec, video.width && `${video.width}x${video.height}`].filter(Boolean).join(' '),
    ],
    ['failure', job.failure_reason],
    ['error', job.error],
  ]);
}

async function showEvents(client: RestClient, reference: string, flags: Flags): Promise<void> {
  const items: JobEvent[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.get<{ items: JobEvent[]; next_cursor: string | null }>(
      `/jobs/${encodeURIComponent(reference)}/events`,
      { cursor },
    );
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  if (flags.output === 'json') return printJson({ items, next_cursor: null });
  process.stdout.write(`${eventTable(items)}\n`);
}

function eventTable(events: readonly JobEvent[]): string {
  return renderTable(
    [
      { title: 'N', value: (event: JobEvent) => event.n, align: 'right' },
      { title: 'TIME', value: (event) => event.at },
      { title: 'EVENT', value: (event) => event.type },
      { title: 'STATUS', value: (event) => event.to_status },
      { title: 'ATTEMPT', value: (event) => event.attempt || '', align: 'right' },
      { title: 'TOKEN', value: (event) => event.lease_token, align: 'right' },
    ],
    events,
  );
}
