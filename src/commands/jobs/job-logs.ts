/** `jobs logs`: what ffmpeg said, once or for as long as the job runs. */
import type { Command } from 'commander';
import { addConnectionFlags, type ConnectionFlags, withClient } from '../rest/client-flags.js';

interface Flags extends ConnectionFlags {
  readonly follow?: boolean;
}

export function defineJobLogs(command: Command): void {
  addConnectionFlags(command.description('print the log of a job').argument('<job>'))
    .option('-f, --follow', 'go on until the job is done')
    .action(async (job: string, { follow, ...flags }: Flags) =>
      withClient(flags, async (client) => {
        for await (const text of client.stream(`/jobs/${encodeURIComponent(job)}/logs`, { follow })) {
          process.stdout.write(text);
        }
      }),
    );
}
