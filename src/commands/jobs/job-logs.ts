/** `jobs logs`: what ffmpeg said, once or for as long as the job runs. */
import type { Command } from 'commander';
import { addClientFlags, type ClientFlags, printJson, withClient } from '../rest/client-flags.js';
import type { RestClient } from '../rest/rest-client.js';

interface Flags extends ClientFlags {
  readonly follow?: boolean;
}

interface Page {
  readonly items: { readonly text: string }[];
  readonly next_cursor: string | null;
}

export function defineJobLogs(command: Command): void {
  addClientFlags(command.description('print the log of a job').argument('<job>'))
    .option('-f, --follow', 'go on until the job is done')
    .action(async (job: string, flags: Flags) =>
      withClient(flags, (client) => (flags.follow ? follow(client, job) : print(client, job, flags))),
    );
}

async function print(client: RestClient, reference: string, flags: Flags): Promise<void> {
  const items: Page['items'] = [];
  let cursor: string | undefined;
  do {
    const page = await client.get<Page>(`/jobs/${encodeURIComponent(reference)}/logs`, { cursor });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  if (flags.output === 'json') return printJson({ items, next_cursor: null });
  for (const { text } of items) process.stdout.write(text);
}

async function follow(client: RestClient, reference: string): Promise<void> {
  for await (const text of client.stream(`/jobs/${encodeURIComponent(reference)}/logs`, { follow: true })) {
    process.stdout.write(text);
  }
}
