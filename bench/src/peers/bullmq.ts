/**
 * BullMQ with its PostgreSQL backend in a process of its own: its worker runs in it and reaches the database
 * by SQL. One call of a function completes a job and claims the next, in one transaction.
 *
 * As it comes, apart from concurrency and pool: a completed job stays in its table for ever, marked, with what
 * it returned, and an event is written when a job becomes active and when it is completed.
 */
import { createPostgresBackend, runMigrations, withBackend } from 'bullmq';
import pg from 'pg';
import { closedLoop, type ClosedLoop, type Looped } from '../load/closed-loop.js';
import { answerCalls } from '../rig/remote-process.js';
import type { Drained, PeerDrain } from './peer.js';

const BullMq = withBackend(createPostgresBackend);

const QUEUE = 'bench';

const PAYLOAD = { scenario: 'bench' };

let worker: { close(): Promise<void> } | undefined;

/** Makes its tables in an empty database, and so many jobs that wait. */
async function fill({ dsn, jobs }: { dsn: string; jobs: number }): Promise<void> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  await runMigrations(client);
  await client.end();
  const queue = openQueue(dsn, 2);
  for (let left = jobs; left > 0; left -= 1000) {
    const length = Math.min(1000, left);
    await queue.addBulk(Array.from({ length }, () => ({ name: QUEUE, data: PAYLOAD })));
  }
  await queue.close();
}

/** Goes on working after the end of its time, until `stop`. */
async function drain({
  dsn,
  jobs,
  within,
  concurrency,
  connections,
}: PeerDrain & { concurrency: number; connections: number }): Promise<Drained> {
  const watch = new pg.Client({ connectionString: dsn });
  await watch.connect();
  const completed = async () => {
    const { rows } = await watch.query<{ done: number }>(
      `SELECT count(*)::int AS done FROM bullmq.job WHERE state = 'completed'`,
    );
    return rows[0]?.done ?? NaN;
  };
  let [began, ran] = [0, 0];
  await new Promise<void>((resolve) => {
    const run = () => {
      if (ran === 0) {
        began = performance.now();
        setTimeout(resolve, within);
      }
      if ((ran += 1) === jobs) resolve();
      return Promise.resolve();
    };
    const connection = { connectionString: dsn, max: connections };
    worker = new BullMq.Worker(QUEUE, run, { connection, concurrency }).on('error', report);
  });
  const ranAll = ran === jobs;
  let seconds = (performance.now() - began) / 1000;
  let done = await completed();
  // A job has run before its completion is written, so the last have to be waited for.
  while (ranAll && done < jobs) {
    done = await completed();
    seconds = (performance.now() - began) / 1000;
  }
  await watch.end();
  return { jobs: done, seconds };
}

/** One job a call. */
async function submit({
  dsn,
  connections,
  ...loop
}: ClosedLoop & { dsn: string; connections: number }): Promise<Looped> {
  const queue = openQueue(dsn, connections);
  await queue.waitUntilReady();
  const looped = await closedLoop(loop, () => queue.add(QUEUE, PAYLOAD));
  await queue.close();
  return looped;
}

async function stop(): Promise<void> {
  await worker?.close();
  worker = undefined;
}

function openQueue(connectionString: string, max: number) {
  return new BullMq.Queue(QUEUE, { connection: { connectionString, max } }).on('error', report);
}

function report(error: Error): void {
  console.error(`bullmq: ${error.message}`);
}

export const bullMqCalls = { fill, drain, submit, stop };

export type BullMqCalls = typeof bullMqCalls;

answerCalls(bullMqCalls);
