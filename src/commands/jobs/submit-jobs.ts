/** `jobs submit`: one job from flags, or a batch from a file. */
import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { Job } from '../../protocol/job.js';
import { CLASSIFICATIONS, ENGINES, PRIORITIES } from '../../protocol/priority.js';
import { HARDWARE } from '../../protocol/video-codecs.js';
import { Misuse } from '../failures.js';
import { addClientFlags, type ClientFlags, printJson, withClient } from '../rest/client-flags.js';
import type { RestClient } from '../rest/rest-client.js';
import { decimal, several, wholeNumber } from '../terminal/arguments.js';
import { readBatch, submissionFrom, type SubmissionFlags } from './submission.js';
import { watchAndTell } from './watch-command.js';

interface Flags extends ClientFlags, SubmissionFlags {
  readonly file?: string;
  readonly idempotencyKey?: string;
  readonly watch?: boolean;
}

export function defineJobSubmit(command: Command): void {
  addClientFlags(command.description('submit a job, or a batch with --file'))
    .option('--scenario <name>', 'what to make, such as 1080p-h264 or 4K60-hevc; else a label')
    .option('--input <path>', 'a file that the worker can read; without one, a generated clip')
    .option('--to <name>', 'name of the result below the output directory, such as shows/clip.mp4')
    .option('--duration <seconds>', 'how much media to make', decimal(0.04, 604_800))
    .option('--codec <name>', 'h264, hevc, vp9, av1 or an ffmpeg encoder')
    .option('--preset <name>', 'ultrafast to veryslow, or p1 to p7')
    .option('--bitrate <rate>', 'such as 2000k or 10M')
    .option('--crf <n>', 'constant quality instead of a bit rate', wholeNumber(0, 63))
    .option('--resolution <WxH>')
    .option('--fps <n>', 'frames a second', decimal(1, 300))
    .option('--audio-codec <name>', 'aac, opus, mp3, flac, copy or none')
    .option('--audio-bitrate <rate>')
    .addOption(new Option('--hwaccel <device>').choices(HARDWARE))
    .option('--threads <n>', 'of the encoder', wholeNumber(1, 1024))
    .option('--parameters <json>', 'parameters as JSON, or @FILE; single flags win over it')
    .option('--queue <name>', 'live, default, batch or any other')
    .addOption(new Option('--priority <level>').choices(PRIORITIES))
    .option('--run-at <time>', 'not before, such as 2026-01-31T12:00:00Z')
    .option('--max-retries <n>', 'attempts after the first that may fail', wholeNumber(0, 100))
    .option('--timeout <duration>', 'wall clock of one attempt, such as 90s or 1h30m')
    .option('--tag <tag>', 'may be given several times', several)
    .option('--require <what>', 'gpu, gpus=N, threads=N, encoder=NAME or LABEL=VALUE; several times', several)
    .addOption(new Option('--engine <name>').choices(ENGINES))
    .addOption(new Option('--classification <name>').choices(CLASSIFICATIONS))
    .option('--idempotency-key <key>', 'submitting again with the same key gives the same job')
    .option('--file <jobs.json>', 'a list of jobs in JSON, all or nothing; - reads standard input')
    .option('--watch', 'show the progress until all are done')
    .action(async (flags: Flags) => withClient(flags, (client) => submit(client, flags)));
}

async function submit(client: RestClient, flags: Flags): Promise<void> {
  const jobs =
    flags.file === undefined ? await submitOne(client, flags) : await submitBatch(client, flags, flags.file);
  if (flags.watch) {
    await watchAndTell(
      client,
      jobs.map(({ id }) => id),
      flags,
    );
  }
}

async function submitOne(client: RestClient, flags: Flags): Promise<Job[]> {
  const job = await client.post<Job>('/jobs', submissionFrom(flags), idempotency(flags));
  tell(flags, job, [job]);
  return [job];
}

async function submitBatch(client: RestClient, flags: Flags, file: string): Promise<Job[]> {
  if (flags.scenario !== undefined) throw new Misuse('--file names the jobs: leave --scenario out');
  const answer = await client.post<{ jobs: Job[] }>(
    '/jobs/batch',
    { jobs: await readBatch(file) },
    idempotency(flags),
  );
  tell(flags, answer, answer.jobs);
  return answer.jobs;
}

/** With --watch and JSON the final jobs are the answer, and there is one answer only. */
function tell({ output, watch }: Flags, answer: unknown, jobs: readonly Job[]): void {
  if (output === 'json') {
    if (!watch) printJson(answer);
    return;
  }
  for (const { sequence_number, id, status } of jobs)
    process.stdout.write(`job ${sequence_number} ${status}  ${id}\n`);
}

/** Always one: the client repeats a request at the next master when an answer does not come. */
function idempotency({ idempotencyKey }: Flags): Record<string, string> {
  return { 'idempotency-key': idempotencyKey ?? randomUUID() };
}
