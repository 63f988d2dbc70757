import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stopEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { findFfmpeg } from '../../src/worker/ffmpeg-binaries.js';
import { eventually } from '../support/eventually.js';
import { restartTestPostgres } from '../support/test-postgres.js';
import { call } from './support/api.js';
import { Cluster } from './support/cluster.js';

/** Longer than a lease (30 s): without the grace after an outage every job would run again. */
const AWAY_MS = 45_000;
const MEDIA_SECONDS = 75;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ masters: 2 });
});

afterAll(() => cluster.stop());

describe('PostgreSQL stopped for 45 s in the middle of running jobs', () => {
  it('stops no ffmpeg and runs no job twice (I2, F6)', async () => {
    // Read at the speed of life, so that a job lasts as long as its media.
    const { ffmpeg } = await findFfmpeg();
    const slow = join(cluster.directory, 'ffmpeg');
    await writeFile(slow, `#!/bin/sh\nexec ${ffmpeg} -re "$@"\n`);
    await chmod(slow, 0o755);
    const worker = await cluster.addWorker('steady', ['--slots', '3'], { WORKER_FFMPEG_PATH: slow });
    const jobs = [1, 2, 3].map((n) => ({
      scenario: '240p-h264',
      parameters: { duration: MEDIA_SECONDS, preset: 'ultrafast', output: `${n}.mp4` },
    }));
    await cluster.api('/jobs/batch', { jobs });
    const before = await eventually(
      async () => {
        const rows = await cluster.query(`SELECT 1 FROM ffmpeg_master.jobs WHERE status = 'running'`);
        expect(rows).toHaveLength(3);
        const pids = await ffmpegs(worker.pid);
        expect(pids).toHaveLength(3);
        return pids;
      },
      { within: 20_000 },
    );

    await stopEmbeddedPostgres(cluster.postgres.directory);
    const stopped = performance.now();
    const master = cluster.anyMaster();
    await eventually(async () => expect((await call(`${master.url}/health/ready`)).status).toBe(503), {
      within: 10_000,
    });
    expect((await call(`${master.url}/health/live`)).status).toBe(200);
    expect((await call(`${master.url}/health`)).body).toMatchObject({ status: 'healthy', database: 'down' });
    await pause(AWAY_MS - (performance.now() - stopped));
    expect(await ffmpegs(worker.pid)).toEqual(before);

    await restartTestPostgres(cluster.postgres.directory);
    const back = performance.now();
    for (const one of cluster.masters) {
      await eventually(async () => expect((await call(`${one.url}/health/ready`)).status).toBe(200), {
        within: 6000,
      });
      expect(one.program.running).toBe(true);
    }
    console.info(`masters ready ${(performance.now() - back).toFixed(0)} ms after PostgreSQL was back`);
    expect(await ffmpegs(worker.pid)).toEqual(before);

    const ended = await eventually(
      async () => {
        const rows = await cluster.query<{ status: string; attempt: number }>(
          'SELECT status, attempt FROM ffmpeg_master.job_history',
        );
        expect(rows, cluster.logs.slice(-3000)).toHaveLength(3);
        return rows;
      },
      { within: 90_000, every: 200 },
    );
    for (const job of ended) expect(job).toEqual({ status: 'completed', attempt: 1 });
    // An output is published once its report was accepted, so a moment after the job has ended.
    await eventually(async () => {
      const names = await readdir(join(cluster.directory, 'output'));
      expect(names.filter((name) => name.endsWith('.mp4')).sort()).toEqual(['1.mp4', '2.mp4', '3.mp4']);
    });
    const verified = await cluster.verify();
    expect(verified, verified.output).toMatchObject({ status: 0 });
  }, 240_000);
});

/** The encoding ffmpeg processes that a worker started. */
async function ffmpegs(parent: number): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (status.includes(`\nPPid:\t${parent}\n`) && command.includes('-progress')) found.push(Number(pid));
  }
  return found.sort((a, b) => a - b);
}
