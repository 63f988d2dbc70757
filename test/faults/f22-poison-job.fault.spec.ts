import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findFfmpeg } from '../../src/worker/ffmpeg-binaries.js';
import { eventually } from '../support/eventually.js';
import { clip, published } from './rig/real-work.js';
import { Rig } from './rig/rig.js';

const MAX_RETRIES = 2;
/** Seconds that no other job lasts: an output's name is in none of ffmpeg's arguments. */
const POISON = 7.77;
const OTHERS = 12;

let rig: Rig;
/** Deaths of each worker. */
const deaths = new Map<string, number>();
let over = false;
const lives: Promise<void>[] = [];

beforeAll(async () => {
  rig = await Rig.start({ masters: 2 });
});

afterAll(async () => {
  over = true;
  await rig.stop();
  await Promise.all(lives);
});

it('a job kills every worker that takes it: failed for good after its attempts, and the others complete (F22, I1, I6)', async () => {
  const [poison = ''] = await rig.submit(1, () => clip('poison.mp4', POISON, { max_retries: MAX_RETRIES }));
  const others = await rig.submit(OTHERS, (k) => clip(`${k}.mp4`, 2));
  const ffmpeg = await deadlyFfmpeg();
  lives.push(...['left', 'right'].map((name) => keepAlive(name, ffmpeg)));

  const ended = await eventually(
    async () => {
      const [row] = await rig.query<{
        status: string;
        failure_reason: string;
        error: string;
        attempt: number;
      }>('SELECT status, failure_reason, error, attempt FROM ffmpeg_master.job_history WHERE id = $1', [
        poison,
      ]);
      if (!row) throw new Error(`the poison job lives, after ${sum(deaths.values())} deaths`);
      return row;
    },
    { within: 120_000, every: 100 },
  );
  expect(sum(deaths.values())).toBe(MAX_RETRIES + 1);
  rig.history.fault('F22', `a job killed ${sum(deaths.values())} workers`);
  expect(ended).toMatchObject({
    status: 'failed',
    failure_reason: 'platform_error',
    attempt: MAX_RETRIES + 1,
  });
  expect(ended.error).toMatch(/^The worker fell silent/);

  const { events, jobs } = await rig.peace();
  const expired = events.filter(({ type }) => type === 'lease_expired');
  expect(expired.filter(({ job_id }) => job_id === poison)).toHaveLength(MAX_RETRIES + 1);
  expect(
    jobs
      .filter(({ status }) => status === 'completed')
      .map(({ id }) => id)
      .sort(),
  ).toEqual(others.sort());
  expect(published(rig.outputDir).size).toBe(OTHERS);
  expect(sum(deaths.values())).toBe(MAX_RETRIES + 1);
  const along = expired.length - MAX_RETRIES - 1;
  console.info(`${sum(deaths.values())} workers were killed; ${along} attempts of other jobs went with them`);
});

/** ffmpeg, but for one job: that kills the worker which started it. */
async function deadlyFfmpeg(): Promise<string> {
  const { ffmpeg } = await findFfmpeg();
  const file = join(rig.directory, 'ffmpeg');
  const script = [
    '#!/bin/sh',
    `case "$*" in *duration=${POISON}*) kill -9 $PPID ;; esac`,
    `exec '${ffmpeg}' "$@"`,
  ];
  await writeFile(file, `${script.join('\n')}\n`);
  await chmod(file, 0o755);
  return file;
}

/** As systemd would: a worker that dies is started again. */
async function keepAlive(name: string, ffmpeg: string): Promise<void> {
  while (!over) {
    const worker = await rig.addRealWorker(name, ['--slots', '2', '--ffmpeg-path', ffmpeg]);
    // By the job that it was given.
    worker.mayEnd();
    await worker.exit();
    if (worker.child.signalCode === 'SIGKILL') deaths.set(name, (deaths.get(name) ?? 0) + 1);
  }
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((all, one) => all + one, 0);
}
