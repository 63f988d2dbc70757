/**
 * graphile-worker in a process of its own: its workers run in it and reach the database by SQL.
 *
 * `default` is its default preset at concurrency 24. `localQueue` is the preset of its own `perfTest`: 500
 * jobs fetched at a time, completions batched. The pool has two connections more than jobs run at once, as its
 * documentation asks.
 */
import type * as GraphileWorker from 'graphile-worker';
import pg from 'pg';
import { closedLoop, type ClosedLoop, type Looped } from '../load/closed-loop.js';
import { type Pace, StartTimes } from '../load/start-times.js';
import { answerCalls } from '../rig/remote-process.js';
import type { Drained, PeerDrain } from './peer.js';

// Read when it is imported; without it each job would write a line.
process.env.NO_LOG_SUCCESS = '1';
const { Logger, makeWorkerUtils, run, WorkerPreset } = await import('graphile-worker');

const CONCURRENCY = 24;

const PRESETS = {
  default: { concurrentJobs: CONCURRENCY },
  localQueue: {
    concurrentJobs: CONCURRENCY,
    localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
  latency: { concurrentJobs: 10 },
};

type Preset = keyof typeof PRESETS;

const PAYLOAD = { scenario: 'bench' };

const logger = new Logger(() => (level, message) => {
  if (['error', 'warning'].includes(level)) console.error(`graphile-worker: ${message}`);
});

let runner: GraphileWorker.Runner | undefined;
/** Ours, because its own is still open for a moment after its end. */
let pool: pg.Pool | undefined;

/** Makes its tables in an empty database, and so many jobs that wait. */
async function fill({ dsn, jobs }: { dsn: string; jobs: number }): Promise<void> {
  const pgPool = poolOf(dsn, 4);
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  for (let left = jobs; left > 0; left -= 1000) {
    const length = Math.min(1000, left);
    await utils.addJobs(Array.from({ length }, () => ({ identifier: 'bench', payload: PAYLOAD })));
  }
  await utils.release();
  await pgPool.end();
}

/** Goes on working after the end of its time, until `stop`. */
async function drain({ dsn, jobs, within, preset }: PeerDrain & { preset: Preset }): Promise<Drained> {
  const watch = new pg.Client({ connectionString: dsn });
  await watch.connect();
  const left = async () => {
    const { rows } = await watch.query<{ left: number }>(
      'SELECT count(*)::int AS left FROM graphile_worker._private_jobs',
    );
    return rows[0]?.left ?? NaN;
  };
  let [began, ran] = [0, 0];
  await new Promise<void>((resolve, reject) => {
    const task = () => {
      if (ran === 0) {
        began = performance.now();
        setTimeout(resolve, within);
      }
      if ((ran += 1) === jobs) resolve();
    };
    start(dsn, preset, task).catch(reject);
  });
  const ranAll = ran === jobs;
  let seconds = (performance.now() - began) / 1000;
  let waiting = await left();
  // A task has run before its completion is written, so the last have to be waited for.
  while (ranAll && waiting > 0) {
    waiting = await left();
    seconds = (performance.now() - began) / 1000;
  }
  await watch.end();
  return { jobs: jobs - waiting, seconds };
}

/** One job a call. */
async function submit({
  dsn,
  connections,
  ...loop
}: ClosedLoop & { dsn: string; connections: number }): Promise<Looped> {
  const pgPool = poolOf(dsn, connections);
  const utils = await makeWorkerUtils({ pgPool, logger });
  const looped = await closedLoop(loop, () => utils.addJob('bench', PAYLOAD));
  await utils.release();
  await pgPool.end();
  return looped;
}

/** Milliseconds from the call of addJob to the start of the task in the same process. */
async function latency({ dsn, ...pace }: Pace & { dsn: string }): Promise<number[]> {
  const times = new StartTimes();
  const { addJob } = await start(dsn, 'latency', (_payload, { job }) => times.started(job.id));
  const taken = await times.sample(pace, async () => (await addJob('bench', PAYLOAD)).id);
  await stop();
  return taken;
}

async function start(dsn: string, preset: Preset, task: GraphileWorker.Task): Promise<GraphileWorker.Runner> {
  pool = poolOf(dsn, PRESETS[preset].concurrentJobs + 2);
  runner = await run({
    pgPool: pool,
    preset: { extends: [WorkerPreset], worker: PRESETS[preset] },
    taskList: { bench: task },
    logger,
    noHandleSignals: true,
  });
  return runner;
}

async function stop(): Promise<void> {
  await runner?.stop();
  await pool?.end();
  runner = pool = undefined;
}

/** With the handlers that it asks for. */
function poolOf(connectionString: string, max: number): pg.Pool {
  const report = (error: Error) => console.error(`graphile-worker: ${error.message}`);
  return new pg.Pool({ connectionString, max })
    .on('error', report)
    .on('connect', (client) => client.on('error', report));
}

export const graphileCalls = { fill, drain, submit, latency, stop };

export type GraphileCalls = typeof graphileCalls;

answerCalls(graphileCalls);
