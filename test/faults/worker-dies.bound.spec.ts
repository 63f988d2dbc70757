import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findFfmpeg } from '../../src/worker/ffmpeg-binaries.js';
import { eventually } from '../support/eventually.js';
import { expectBound } from './rig/figures.js';
import { Rig } from './rig/rig.js';
import { measuring } from './selection.js';

const { repeats } = measuring();

/** Over which the workers die, on the average: longer than a heartbeat's and a sweep's interval. */
const SPREAD_MS = 15_000;

let rig: Rig;

beforeAll(async () => {
  // The lease that the bound is about, with the intervals of the defaults.
  rig = await Rig.start({
    masters: 2,
    env: {
      WORKERS_LEASE_DURATION: '30s',
      WORKERS_HEARTBEAT_INTERVAL: '10s',
      WORKERS_RECOVERY_CHECK_INTERVAL: '5s',
    },
  });
});

afterAll(() => rig.stop());

it('workers killed -9 in their jobs: the jobs are queued again (I11, F1)', async () => {
  const { ffmpeg } = await findFfmpeg();
  const slow = join(rig.directory, 'ffmpeg');
  await writeFile(slow, `#!/bin/sh\nexec ${ffmpeg} -re "$@"\n`);
  await chmod(slow, 0o755);
  const jobs = await rig.submit(repeats, (k) => ({
    scenario: '240p-h264',
    parameters: { duration: 600, preset: 'ultrafast', output: `${k}.mp4` },
  }));
  for (let k = 0; k < repeats; k += 1)
    await rig.addRealWorker(`doomed-${k}`, ['--slots', '1'], { WORKER_FFMPEG_PATH: slow });
  await eventually(
    async () => {
      const running = await rig.query(`SELECT 1 FROM ffmpeg_master.jobs WHERE status = 'running'`);
      expect(running).toHaveLength(repeats);
    },
    { within: 90_000, every: 100 },
  );
  const killed = new Map<string, number>();
  for (const [k, worker] of rig.programs.entries()) {
    // Anywhere between two heartbeats and two sweeps: together they would all be one draw.
    await pause(rig.random.below((SPREAD_MS * 2) / repeats));
    worker.signal('SIGKILL');
    await worker.exit();
    killed.set(`doomed-${k}`, Date.now());
    rig.history.fault('F1', `killed doomed-${k}`);
  }
  const requeued = await eventually(
    async () => {
      const rows = await rig.query<{ name: string; at: number }>(
        // The first of each worker after its death: of one that is starved a lease may run out before.
        `SELECT DISTINCT ON (n.name) n.name, (extract(epoch FROM e.at) * 1000)::float8 AS at
         FROM ffmpeg_master.job_events e JOIN ffmpeg_master.nodes n ON n.id = e.node_id
         JOIN json_each_text($2) AS died(name, at) ON died.name = n.name
         WHERE e.type = 'lease_expired' AND e.job_id = ANY($1) AND extract(epoch FROM e.at) * 1000 >= died.at::float8
         ORDER BY n.name, e.at`,
        [jobs, JSON.stringify(Object.fromEntries(killed))],
      );
      expect(rows).toHaveLength(repeats);
      return rows;
    },
    { within: 120_000, every: 200 },
  );
  for (const id of jobs)
    await rig.recorder.intervene({ name: 'rig', url: () => rig.urls()[0] ?? '' }, 'cancel', id);
  const measured =
    'from kill -9 of the worker until the event that takes its job back, by the clock of one machine';
  const times = requeued.map(({ name, at }) => at - (killed.get(name) ?? NaN));
  expectBound(
    'worker-dies',
    { event: 'worker dies → its jobs queued again', boundMs: 35_000, measured },
    times,
  );
  await rig.peace();
});
