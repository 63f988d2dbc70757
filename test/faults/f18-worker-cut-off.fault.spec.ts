import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import {
  attemptFolders,
  attemptHolds,
  clip,
  ENDLESS,
  ffmpegsOf,
  freeze,
  isAlive,
  published,
  said,
} from './rig/real-work.js';
import { Rig } from './rig/rig.js';

/** Long beside the two seconds for which a worker asks both masters before it says that nobody answers. */
const LEASE = '12s';
const GRACE_MS = 14_000;
/** Of the rig. */
const HEARTBEAT_MS = 1_000;

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ masters: 2, env: { WORKERS_LEASE_DURATION: LEASE } });
});

// Each test has workers and a queue of its own.
afterEach(() => Promise.all(rig.programs.map((program) => program.stop())));
afterAll(() => rig.stop());

it('back when the job is another’s, a worker is told lost and kills ffmpeg at once (F18, I2, I3)', async () => {
  const links = await rig.link();
  const cutOff = await rig.addRealWorker('a-cut', ['--slots', '1', '--queue', 'a'], {}, links.urls());
  const [job = ''] = await rig.submit(1, () => clip('a.mp4', ENDLESS, { queue: 'a' }));
  const ffmpeg = await eventually(() => onlyFfmpegOf(job), { within: 30_000 });
  const [attempt = ''] = attemptFolders(rig.outputDir);
  const token = Number(attempt.split('-').at(-1));

  links.hold();
  const other = await rig.addRealWorker('a-other', ['--slots', '1', '--queue', 'a']);
  await eventually(() => expect(said(other, 'attempt begun')).toHaveLength(1), { within: 60_000 });
  await eventually(() => expect(ffmpegsOf(job)).toHaveLength(2), { within: 20_000 });
  expect(links.held).toBeGreaterThan(0);
  expect(said(cutOff, 'attempt lost')).toEqual([]);
  rig.history.fault('F18', 'a worker was cut off until its job was another’s; both ffmpegs run');

  links.release();
  const back = performance.now();
  await eventually(() => expect(isAlive(ffmpeg)).toBe(false), { within: 20_000, every: 5 });
  const after = performance.now() - back;
  // Its next heartbeat tells it, and SIGKILL follows SIGTERM within 2 s.
  expect(after).toBeLessThan(HEARTBEAT_MS + 5_000);
  await eventually(() =>
    expect(said(cutOff, 'attempt lost')).toMatchObject([{ job_id: job, lease_token: token }]),
  );
  expect(said(cutOff, 'attempt reported')).toEqual([]);
  await eventually(() => expect(attemptFolders(rig.outputDir)).not.toContain(attempt), { within: 15_000 });
  expect(ffmpegsOf(job)).toHaveLength(1);
  await cancel(job);
  await eventually(() => expect(ffmpegsOf(job)).toEqual([]), { within: 20_000 });
  expect([...published(rig.outputDir).keys()]).toEqual([]);
  await rig.peace();
  console.info(`told lost, its ffmpeg was gone ${after.toFixed(0)} ms after the link was back`);
});

it('unable to ask, it goes on for its grace, publishes nothing, then kills ffmpeg and cleans up (F18, I1, I3)', async () => {
  const links = await rig.link();
  const options = ['--slots', '2', '--queue', 'b'];
  const worker = await rig.addRealWorker(
    'b-cut',
    options,
    { WORKERS_OUTAGE_GRACE: `${GRACE_MS}ms` },
    links.urls(),
  );
  const [long = ''] = await rig.submit(1, () => clip('b-long.mp4', ENDLESS, { queue: 'b' }));
  const [short = ''] = await rig.submit(1, () => clip('b-short.mp4', 20, { queue: 'b' }));
  const ends = await freeze(short);
  const goesOn = await eventually(() => onlyFfmpegOf(long), { within: 30_000 });
  const attempts = attemptFolders(rig.outputDir);
  const of = (job: string) => attempts.find((name) => name.startsWith(job)) ?? '';

  links.hold();
  const cut = performance.now();
  process.kill(ends, 'SIGCONT');
  await eventually(() => expect(attemptHolds(rig.outputDir, of(short), 'pending.json')).toBe(true), {
    within: 20_000,
  });
  await eventually(async () => expect((await eventsOf(long)).at(-1)).toBe('lease_expired'), {
    within: 30_000,
  });
  // Its lease is over, and it cannot know.
  expect(isAlive(goesOn)).toBe(true);
  await eventually(() => expect(isAlive(goesOn)).toBe(false), { within: 30_000 });
  const gone = performance.now() - cut;
  // By its last answer, which may be a heartbeat old at the cut, and a busy machine may have been late with the next.
  expect(gone).toBeGreaterThan(GRACE_MS - 2 * HEARTBEAT_MS);
  await eventually(() => expect(attemptFolders(rig.outputDir)).toEqual([of(short)]), { within: 15_000 });
  expect(published(rig.outputDir).has('b-short.mp4')).toBe(false);
  expect(said(worker, 'attempt reported')).toEqual([]);
  rig.history.fault('F18', 'a worker was cut off for longer than its grace');
  // Nobody else serves this queue: it would begin anew.
  await cancel(long);

  links.release();
  await eventually(
    () =>
      expect(said(worker, 'attempt reported')).toContainEqual(
        expect.objectContaining({ job_id: short, status: 'completed', outcome: 'stale' }),
      ),
    { within: 30_000 },
  );
  await eventually(() => expect(published(rig.outputDir).has('b-short.mp4')).toBe(true), { within: 30_000 });
  const { events } = await rig.peace();
  const completed = events.filter(({ job_id, type }) => job_id === short && type === 'completed');
  expect(completed).toHaveLength(1);
  expect(of(short)).not.toBe(`${short}-${completed[0]?.lease_token}`);
  console.info(
    `cut off for good, its ffmpeg was gone after ${(gone / 1000).toFixed(1)} s, by a grace of ${GRACE_MS} ms`,
  );
});

it('back while its lease stands, it carries on: the same attempt completes (F18, I1, I2)', async () => {
  const links = await rig.link();
  const worker = await rig.addRealWorker('c-cut', ['--slots', '1', '--queue', 'c'], {}, links.urls());
  const [job = ''] = await rig.submit(1, () => clip('c.mp4', 60, { queue: 'c' }));
  await eventually(() => onlyFfmpegOf(job), { within: 30_000 });
  const [attempt] = attemptFolders(rig.outputDir);

  links.hold();
  await eventually(() => expect(said(worker, 'heartbeat failed')).not.toEqual([]), { within: 20_000 });
  expect(links.held).toBeGreaterThan(0);
  expect(attemptFolders(rig.outputDir)).toEqual([attempt]);
  rig.history.fault('F18', 'a worker was cut off for less than its lease');
  links.release();

  await eventually(() => expect(published(rig.outputDir).has('c.mp4')).toBe(true), { within: 60_000 });
  await rig.peace();
  expect((await eventsOf(job)).filter((type) => type !== 'started')).toEqual([
    'submitted',
    'assigned',
    'completed',
  ]);
  expect(said(worker, 'attempt begun')).toHaveLength(1);
  console.info('cut off for less than its lease, the same attempt completed');
});

function onlyFfmpegOf(job: string): number {
  const [pid, ...others] = ffmpegsOf(job);
  expect(others).toEqual([]);
  expect(pid).toBeGreaterThan(0);
  return pid as number;
}

async function cancel(job: string): Promise<void> {
  const [url = ''] = rig.urls();
  const reply = await rig.recorder.intervene({ name: 'owner', url: () => url }, 'cancel', job);
  expect(reply?.status).toBe(200);
}

async function eventsOf(job: string): Promise<string[]> {
  const sql = 'SELECT type FROM ffmpeg_master.job_events WHERE job_id = $1 ORDER BY n';
  return (await rig.query<{ type: string }>(sql, [job])).map(({ type }) => type);
}
