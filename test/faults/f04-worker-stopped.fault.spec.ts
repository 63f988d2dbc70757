import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import {
  attemptFolders,
  attemptHolds,
  clip,
  freeze,
  isAlive,
  published,
  said,
  stateOf,
} from './rig/real-work.js';
import { Rig } from './rig/rig.js';

let rig: Rig;

beforeAll(async () => {
  // Each job begins just twice: of a lease of 3 s a busy machine took one from the living as well.
  rig = await Rig.start({ masters: 2, env: { WORKERS_LEASE_DURATION: '8s' } });
});

afterAll(() => rig.stop());

it('a worker is stopped past its lease, in one job and with the report of another on its way: told lost and stale, it publishes nothing (F4, I2, I3)', async () => {
  const links = await rig.link();
  const sleeper = await rig.addRealWorker('sleeper', ['--slots', '2'], {}, links.urls());
  const [encoding = '', ending = ''] = await rig.submit(2, (k) => clip(`${k}.mp4`, 20));
  const [stopped, last] = [await freeze(encoding), await freeze(ending)];
  const tokens = await tokensOf();
  const other = await rig.addRealWorker('other', ['--slots', '2']);
  await eventually(() => expect(said(other, 'worker registered')).toHaveLength(1), { within: 60_000 });

  // Its report is sent, and held on the way: the masters hear of it after the lease.
  links.hold(['to-server']);
  process.kill(last, 'SIGCONT');
  const endingAttempt = `${ending}-${tokens.get(ending)}`;
  await eventually(() => expect(attemptHolds(rig.outputDir, endingAttempt, 'pending.json')).toBe(true), {
    within: 30_000,
    every: 5,
  });
  sleeper.signal('SIGSTOP');
  await eventually(() => expect([stateOf(sleeper.pid), stateOf(stopped)]).toEqual(['T', 'T']));
  rig.history.fault('F4', 'stopped a worker with its ffmpeg, its second report on the way');

  await eventually(() => expect(published(rig.outputDir).size).toBe(2), { within: 60_000 });
  const files = published(rig.outputDir);
  expect(
    said(other, 'attempt begun')
      .map(({ job_id }) => job_id)
      .sort(),
  ).toEqual([encoding, ending].sort());

  // It goes on. Its ffmpeg need not even hear of it: it is killed all the same.
  expect([stateOf(sleeper.pid), stateOf(stopped)]).toEqual(['T', 'T']);
  links.release();
  sleeper.signal('SIGCONT');
  await eventually(
    () => {
      expect(said(sleeper, 'attempt lost')).toMatchObject([
        { job_id: encoding, lease_token: tokens.get(encoding) },
      ]);
      expect(said(sleeper, 'attempt reported')).toMatchObject([
        { job_id: ending, lease_token: tokens.get(ending), outcome: 'stale' },
      ]);
    },
    { within: 30_000 },
  );
  await eventually(() => expect(isAlive(stopped)).toBe(false), { within: 20_000 });
  await eventually(() => expect(attemptFolders(rig.outputDir)).toEqual([]), { within: 20_000 });
  expect(published(rig.outputDir)).toEqual(files);

  const { events } = await rig.peace();
  for (const id of [encoding, ending]) {
    const completed = events.filter(({ job_id, type }) => job_id === id && type === 'completed');
    expect(completed).toHaveLength(1);
    expect(completed[0]?.lease_token).toBeGreaterThan(tokens.get(id) ?? Infinity);
  }
  console.info('one attempt was told lost, one report was stale; both jobs completed once, elsewhere');
});

/** The lease token of each job that is held now. */
async function tokensOf(): Promise<Map<string, number>> {
  const rows = await rig.query<{ job_id: string; token: number }>(
    'SELECT job_id, lease_token::float8 AS token FROM ffmpeg_master.leases',
  );
  return new Map(rows.map(({ job_id, token }) => [job_id, token]));
}
