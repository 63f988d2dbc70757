import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { attemptFolders, attemptHolds, clip, freeze, published, said, secondsOf } from './rig/real-work.js';
import { Rig } from './rig/rig.js';

let rig: Rig;

beforeAll(async () => {
  // Exact counts of events below: of a lease of 3 s a busy machine took one from the living.
  rig = await Rig.start({ masters: 2, env: { WORKERS_LEASE_DURATION: '10s' } });
});

afterAll(() => rig.stop());

it('a worker is killed between the accepted report and the publication: its successor finishes it, once and whole (F25, I1, I2, I5)', async () => {
  const links = await rig.link();
  const doomed = await rig.addRealWorker('one', ['--slots', '1'], {}, links.urls());
  const [first = '', second = ''] = [
    ...(await rig.submit(1, () => clip('first.mp4', 20))),
    ...(await rig.submit(1, () => clip('second.mp4', 20))),
  ];
  const ffmpeg = await freeze(first);

  // The report arrives and counts; its answer, which carries the second job, does not.
  links.hold(['to-client']);
  process.kill(ffmpeg, 'SIGCONT');
  const token = await eventually(
    async () => {
      const [row] = await rig.query<{ status: string; token: number }>(
        'SELECT status, lease_token::float8 AS token FROM ffmpeg_master.job_history WHERE id = $1',
        [first],
      );
      expect(row?.status).toBe('completed');
      return row?.token;
    },
    { within: 30_000, every: 5 },
  );
  // Its claim is given the second job, of which it never hears.
  await eventually(
    async () => {
      const [given] = await rig.query<{ job_id: string }>('SELECT job_id FROM ffmpeg_master.leases');
      expect(given?.job_id).toBe(second);
    },
    { within: 10_000, every: 5 },
  );
  doomed.signal('SIGKILL');
  await doomed.exit();
  const attempt = `${first}-${token}`;
  expect([...published(rig.outputDir).keys()]).toEqual([]);
  expect(attemptFolders(rig.outputDir)).toEqual([attempt]);
  expect(attemptHolds(rig.outputDir, attempt, 'pending.json')).toBe(true);
  expect(attemptHolds(rig.outputDir, attempt, 'accepted.json')).toBe(false);
  expect(links.held).toBeGreaterThan(0);
  rig.history.fault('F25', 'killed a worker whose report was accepted and whose output was not published');
  links.release();

  const successor = await rig.addRealWorker('one', ['--slots', '1'], {}, links.urls());
  await eventually(() => expect([...published(rig.outputDir).keys()]).toContain('first.mp4'), {
    within: 60_000,
  });
  const file = published(rig.outputDir).get('first.mp4');
  expect(await secondsOf(join(rig.outputDir, 'first.mp4'))).toBeCloseTo(20, 0);
  expect(said(successor, 'settled an attempt of a dead worker')).toMatchObject([
    { job_id: first, accepted: true },
  ]);

  const { events } = await rig.peace();
  await eventually(() => expect(attemptFolders(rig.outputDir)).toEqual([]), { within: 20_000 });
  const files = published(rig.outputDir);
  expect([...files.keys()].sort()).toEqual(['first.mp4', 'second.mp4']);
  expect(files.get('first.mp4')).toBe(file);
  const typesOf = (id: string) => events.filter(({ job_id }) => job_id === id).map(({ type }) => type);
  expect(typesOf(first).filter((type) => ['assigned', 'completed'].includes(type))).toEqual([
    'assigned',
    'completed',
  ]);
  // It rode in the answer that never came, so its lease ran out.
  expect(typesOf(second).filter((type) => type === 'lease_expired')).toHaveLength(1);
  console.info(
    'the successor published the file that was accepted, and ran the job that rode in the lost answer',
  );
});
