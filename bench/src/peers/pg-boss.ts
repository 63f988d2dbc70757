/**
 * pg-boss in a process of its own: its workers run in it and reach the database by SQL. They fetch 100 jobs
 * at a time, complete them in one statement, and fetch on at once while fetches come back full.
 */
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { closedLoop, type ClosedLoop, type Looped } from '../load/closed-loop.js';
import { answerCalls } from '../rig/remote-process.js';
import type { Drained, PeerDrain } from './peer.js';

const QUEUE = 'bench';

const PAYLOAD = { scenario: 'bench' };

let boss: PgBoss | undefined;

async function open(dsn: string, connections: number): Promise<PgBoss> {
  boss = new PgBoss({ connectionString: dsn, max: connections });
  boss.on('error', (error) => console.error(`pg-boss: ${error.message}`));
  await boss.start();
  await boss.createQueue(QUEUE);
  return boss;
}

/** Makes its tables in an empty database, and so many jobs that wait. */
async function fill({ dsn, jobs }: { dsn: string; jobs: number }): Promise<void> {
  const filling = await open(dsn, 2);
  for (let left = jobs; left > 0; left -= 1000) {
    await filling.insert(
      QUEUE,
      Array.from({ length: Math.min(1000, left) }, () => ({ data: PAYLOAD })),
    );
  }
  await stop();
}

/** Goes on working after the end of its time, until `stop`. */
async function drain({
  dsn,
  jobs,
  within,
  fetchers,
  ordered,
}: PeerDrain & {
  fetchers: number;
  /** False: without its order by priority and age, as its documentation offers where none matters. */
  ordered: boolean;
}): Promise<Drained> {
  const watch = new pg.Client({ connectionString: dsn });
  await watch.connect();
  const working = await open(dsn, Math.max(10, fetchers + 2));
  let [began, ran] = [0, 0];
  await new Promise<void>((resolve, reject) => {
    working
      .work(
        QUEUE,
        {
          batchSize: 100,
          localConcurrency: fetchers,
          burstWhenBatchFull: true,
          pollingIntervalSeconds: 0.5,
          priority: ordered,
          orderByCreatedOn: ordered,
        },
        async (batch) => {
          if ((ran += batch.length) >= jobs) resolve();
        },
      )
      .catch(reject);
    began = performance.now();
    setTimeout(resolve, within);
  });
  const completed = async () => {
    const { rows } = await watch.query<{ done: number }>(
      `SELECT count(*)::int AS done FROM pgboss.job WHERE state = 'completed'`,
    );
    return rows[0]?.done ?? NaN;
  };
  const ranAll = ran === jobs;
  let seconds = (performance.now() - began) / 1000;
  let done = await completed();
  while (ranAll && done < jobs) {
    done = await completed();
    seconds = (performance.now() - began) / 1000;
  }
  await watch.end();
  return { jobs: done, seconds };
}

/** One job a call of `send`, or `batch` jobs a call of `insert`. */
async function submit({
  dsn,
  connections,
  batch = 1,
  ...loop
}: ClosedLoop & { dsn: string; connections: number; batch?: number }): Promise<Looped> {
  const sending = await open(dsn, connections);
  const looped = await closedLoop(loop, () =>
    batch === 1
      ? sending.send(QUEUE, PAYLOAD)
      : sending.insert(
          QUEUE,
          Array.from({ length: batch }, () => ({ data: PAYLOAD })),
        ),
  );
  await stop();
  return looped;
}

async function stop(): Promise<void> {
  await boss?.stop({ graceful: true, timeout: 10_000 });
  boss = undefined;
}

export const pgBossCalls = { fill, drain, submit, stop };

export type PgBossCalls = typeof pgBossCalls;

answerCalls(pgBossCalls);
