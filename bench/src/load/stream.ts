/**
 * Work without end: clients keep so many jobs waiting, workers report and claim at once. Each job must come
 * once, and each report must be accepted.
 */
import { randomUUID } from 'node:crypto';
import { Connection } from './connection.js';
import { type Fleet, register, type SimulatedNode } from './nodes.js';
import { Seen } from './seen.js';

export interface Stream extends Fleet {
  /** Jobs that clients keep waiting. */
  readonly waiting: number;
}

export interface Streamed {
  /** Jobs reported so far. */
  readonly settled: number;
  /** Milliseconds on this process's clock. */
  readonly at: number;
  /** When each further `MARK` jobs were settled, on the same clock. */
  readonly marks: readonly number[];
}

export const MARK = 10_000;

/** Jobs in one request of a client. */
const BATCH = 1000;

interface Given {
  readonly job: { readonly id: string; readonly sequence_number: number };
  readonly lease_token: number;
}

let running = false;
let ended: Promise<unknown> = Promise.resolve();
let failure: Error | undefined;
let submitted = 0;
let claimed = 0;
let settled = 0;
let marks: number[] = [];
let seen = new Seen();

/** Answers when the first jobs wait and the workers have begun. */
export async function startStream({ waiting, ...fleet }: Stream): Promise<void> {
  [running, failure, submitted, claimed, settled, marks] = [true, undefined, 0, 0, 0, []];
  seen = new Seen();
  const nodes = await register(fleet);
  const clients = [...fleet.urls, ...fleet.urls].map((url) => new Connection(url, fleet.key));
  const feeding = clients.map((client) => orNote(feed(client, waiting)));
  while (submitted < waiting && running) await pause();
  const working = nodes.map((node) => orNote(work(node, fleet.slots)));
  ended = Promise.all([...feeding, ...working]).then(() => {
    for (const connection of [...clients, ...nodes.map((node) => node.connection)]) connection.close();
  });
  tellFailure();
}

export async function streamed(): Promise<Streamed> {
  tellFailure();
  return { settled, at: performance.now(), marks };
}

/** Answers when the last request was answered. */
export async function stopStream(): Promise<void> {
  running = false;
  await ended;
  tellFailure();
}

function tellFailure(): void {
  if (failure) throw failure;
}

async function orNote(part: Promise<void>): Promise<void> {
  try {
    await part;
  } catch (error) {
    running = false;
    failure ??= error instanceof Error ? error : new Error(String(error));
  }
}

async function feed(client: Connection, waiting: number): Promise<void> {
  const body = { jobs: Array.from({ length: BATCH }, () => ({ scenario: 'bench' })) };
  while (running) {
    if (submitted - claimed >= waiting) {
      await pause();
      continue;
    }
    submitted += BATCH;
    await client.call('/api/v1/jobs/batch', body);
  }
}

async function work({ id, connection }: SimulatedNode, slots: number): Promise<void> {
  let jobs: Given[] = [];
  while (running || jobs.length > 0) {
    const claim = { claim_id: randomUUID(), max_jobs: slots };
    if (jobs.length === 0) {
      ({ jobs } = await connection.call<{ jobs: Given[] }>(`/api/v1/nodes/${id}/claim`, {
        ...claim,
        wait_seconds: 1,
      }));
    } else {
      const results = jobs.map(({ job, lease_token }) => ({
        job_id: job.id,
        lease_token,
        status: 'completed',
      }));
      const answer = await connection.call<{ results: { outcome: string }[]; jobs: Given[] }>(
        `/api/v1/nodes/${id}/report`,
        running ? { results, claim } : { results },
      );
      const refused = answer.results.find(({ outcome }) => outcome !== 'accepted');
      if (refused) throw new Error(`a report was ${refused.outcome}`);
      for (let k = 0; k < jobs.length; k += 1) if ((settled += 1) % MARK === 0) marks.push(performance.now());
      jobs = answer.jobs;
    }
    claimed += jobs.length;
    for (const { job } of jobs) seen.note(job.sequence_number);
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}
