/** Submits clips to a cluster, shows their progress and tells what became of them. */
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '../../protocol/job.js';
import { watchJobs } from '../jobs/watch-jobs.js';
import type { RestClient } from '../rest/rest-client.js';
import { progressBoard } from '../terminal/progress-board.js';
import { type Clip, submissionOf } from './clips.js';

export interface Outcome {
  readonly clip: Clip;
  /** Absent where the clip could not be submitted. */
  readonly job?: Job;
  /** Why there is no output. */
  readonly failure?: string;
}

export interface TranscodeOptions {
  readonly outputDir: string;
  readonly signal: AbortSignal;
  /** Told when the first job was claimed. */
  readonly onClaimed?: () => void;
}

/** Answers one outcome a clip, in their order. */
export async function transcode(
  client: RestClient,
  clips: readonly Clip[],
  { outputDir, signal, onClaimed }: TranscodeOptions,
): Promise<Outcome[]> {
  const sound = clips.filter(({ complaint }) => complaint === undefined);
  const jobs = await submitAll(client, sound);
  const clipOf = new Map(jobs.map((job, index) => [job.id, sound[index]]));
  const board = progressBoard({ jobs: jobs.length, label: (job) => clipOf.get(job.id)?.output ?? job.id });
  let claimed = false;
  const onChange = (job: Job): void => {
    if (!claimed && job.attempt > 0) {
      claimed = true;
      onClaimed?.();
    }
    board.show(job);
  };
  try {
    const ended = await watchJobs(
      client,
      jobs.map(({ id }) => id),
      { onChange, every: 250, signal },
    );
    const jobOf = new Map(ended.map((job) => [clipOf.get(job.id), job]));
    return await Promise.all(clips.map((clip) => outcomeOf(clip, jobOf.get(clip), outputDir)));
  } finally {
    board.stop();
  }
}

/** What the API takes in one batch. */
const BATCH = 1000;

async function submitAll(client: RestClient, clips: readonly Clip[]): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let start = 0; start < clips.length; start += BATCH) {
    const body = { jobs: clips.slice(start, start + BATCH).map(submissionOf) };
    const answer = await client.post<{ jobs: Job[] }>('/jobs/batch', body, {
      'idempotency-key': randomUUID(),
    });
    jobs.push(...answer.jobs);
  }
  return jobs;
}

async function outcomeOf(clip: Clip, job: Job | undefined, outputDir: string): Promise<Outcome> {
  if (job === undefined) return { clip, failure: `input_error: ${clip.complaint ?? 'it was not submitted'}` };
  if (job.status !== 'completed') {
    return { clip, job, failure: [job.failure_reason, job.error].filter(Boolean).join(': ') || job.status };
  }
  const path = join(outputDir, job.result?.output ?? clip.output);
  return (await appears(path))
    ? { clip, job }
    : { clip, job, failure: `${path} did not appear; see the workers' logs` };
}

/** A worker moves its result into place after a master accepted it, so a moment after the job is completed. */
async function appears(path: string): Promise<boolean> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      return true;
    if (Date.now() > deadline) return false;
    await delay(20);
  }
}
