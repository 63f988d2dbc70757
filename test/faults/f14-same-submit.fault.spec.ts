import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rig } from './rig/rig.js';
import type { Reply } from './rig/recorder.js';

const TIMES = 100;

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ masters: 3 });
});

afterAll(() => rig.stop());

it('the same submit comes 100 times at once to three masters: one job, and the same answer to all (F14, I9)', async () => {
  const key = randomUUID();
  const body = [{ scenario: 'wanted once', tags: ['a'] }];
  const answers = await atOnce(() => body, key);
  const [first] = answers;
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  for (const answer of answers) expect(jobsOf(answer)).toEqual(first && jobsOf(first));
  expect(await count('jobs')).toBe(1);
  // The fault: masters met each other in the database, and each answered its share.
  const perMaster = rig.masters.map(({ url }) => answers.filter((answer) => answer.url === url).length);
  expect(Math.min(...perMaster)).toBeGreaterThan(TIMES / 4);
  expect(overlapping(key)).toBeGreaterThan(TIMES / 2);
  rig.history.fault('F14', `${TIMES} equal submits at once, ${overlapping(key)} of them in flight together`);

  const others = await atOnce(() => [{ scenario: 'wanted once', tags: ['b'] }], key);
  expect(new Set(others.map(({ status }) => status))).toEqual(new Set([422]));
  expect(await count('jobs')).toBe(1);
  rig.addWorkers(1);
  await rig.peace();
  console.info(`in flight together: ${overlapping(key)}; answers of each master: ${perMaster.join(', ')}`);
});

it('batches of two bodies race with one key: one body wins whole, the other is refused (F14, I1, I9)', async () => {
  const key = randomUUID();
  const before = await count('job_history');
  const bodies = ['left', 'right'].map((side) => [{ scenario: `${side} 1` }, { scenario: `${side} 2` }]);
  const answers = await atOnce((k) => bodies[k % 2] ?? [], key);
  const won = answers.filter(({ status }) => status === 201);
  expect(won).toHaveLength(TIMES / 2);
  expect(answers.filter(({ status }) => status === 422)).toHaveLength(TIMES / 2);
  for (const answer of won) expect(jobsOf(answer)).toEqual(won[0] && jobsOf(won[0]));
  expect(await count('jobs')).toBe(2);

  // Also when the jobs have ended and lie in the history.
  rig.addWorkers(2, { roams: true });
  await rig.peace();
  const again = await atOnce((k) => bodies[k % 2] ?? [], key);
  const found = again.filter(({ status }) => status === 201);
  expect(found).toHaveLength(TIMES / 2);
  const idsOf = (answer: Reply<unknown>) => jobsOf(answer).map(({ id }) => id);
  for (const answer of found) expect(idsOf(answer)).toEqual(won[0] && idsOf(won[0]));
  expect(await count('jobs')).toBe(0);
  expect(await count('job_history')).toBe(before + 2);
  rig.history.fault('F14', `two bodies with one key, ${TIMES} times at once, before and after they ended`);
  await rig.peace();
});

/** Sends so many submits with one key, each to the next master; every one is answered. */
async function atOnce(body: (index: number) => readonly object[], key: string): Promise<Reply<unknown>[]> {
  const urls = rig.urls();
  const answers = await Promise.all(
    Array.from({ length: TIMES }, (_, k) => {
      const caller = { name: `client ${k}`, url: () => urls[Math.floor(k / 2) % urls.length] ?? '' };
      return rig.recorder.submit(caller, body(k), key);
    }),
  );
  return answers.map((answer, k) => answer ?? expect.fail(`submit ${k} was not answered`));
}

/** The jobs of an answer, but for what each master says of the moment: why the job waits. */
function jobsOf({ body }: Reply<unknown>): Record<string, unknown>[] {
  const { jobs = [body as Record<string, unknown>] } = body as { jobs?: Record<string, unknown>[] };
  return jobs.map((job) => ({ ...job, waiting_for: undefined }));
}

/** The most submits with this key that were in flight at one moment and answered with their job. */
function overlapping(key: string): number {
  const all = rig.history.of('submit').filter((one) => one.key === key && one.status === 201);
  return Math.max(
    ...all.map(({ begin }) => all.filter((one) => one.begin <= begin && (one.end ?? 0) > begin).length),
  );
}

async function count(table: 'jobs' | 'job_history'): Promise<number> {
  const [row] = await rig.query<{ n: number }>(`SELECT count(*)::int AS n FROM ffmpeg_master.${table}`);
  return row?.n ?? NaN;
}
