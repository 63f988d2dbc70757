import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { attemptFolders, clip, freeze, isAlive, published, said, secondsOf } from './rig/real-work.js';
import { Rig } from './rig/rig.js';

let rig: Rig;

beforeAll(async () => {
  // Slots are counted exactly below: of a lease of 3 s a busy machine took one from the living.
  rig = await Rig.start({ masters: 2, env: { WORKERS_LEASE_DURATION: '8s' } });
});

afterAll(() => rig.stop());

it('a worker is killed in two jobs: its ffmpegs die, the jobs run again elsewhere, and each completes once (F1, I1, I2, I6)', async () => {
  const doomed = await rig.addRealWorker('doomed', ['--slots', '2']);
  const jobs = await rig.submit(2, (k) => clip(`${k}.mp4`, 30));
  const ffmpegs = await Promise.all(jobs.map((id) => freeze(id)));
  const before = await runningOn('doomed');
  expect(before).toBe(2);

  // While it is not there yet, only the doomed one could have had them.
  const survivor = await rig.addRealWorker('survivor', ['--slots', '2']);
  // It takes over what the dead have left before it asks for its first job: this one, when all live.
  const [first = ''] = await rig.submit(1, () => clip('first.mp4', 1));
  await eventually(() => expect(said(survivor, 'attempt reported')).toHaveLength(1), { within: 60_000 });
  const left = await eventually(() => {
    const folders = attemptFolders(rig.outputDir);
    expect(folders).toHaveLength(2);
    return folders;
  });
  const killed = performance.now();
  doomed.signal('SIGKILL');
  await doomed.exit();
  expect(doomed.child.signalCode).toBe('SIGKILL');
  await eventually(() => expect(ffmpegs.filter(isAlive)).toEqual([]), { within: 20_000 });
  rig.history.fault('F1', `killed a worker with ${ffmpegs.length} ffmpegs, which died with it`);
  // The survivor may have begun by now.
  expect(attemptFolders(rig.outputDir)).toEqual(expect.arrayContaining(left));
  expect([...published(rig.outputDir).keys()]).toEqual(['first.mp4']);

  await eventually(async () => expect(await runningOn('doomed')).toBe(0), { within: 30_000 });
  const freed = performance.now() - killed;
  await eventually(() => expect(published(rig.outputDir).size).toBe(3), { within: 60_000 });
  for (const name of ['1.mp4', '2.mp4'])
    expect(await secondsOf(join(rig.outputDir, name))).toBeCloseTo(30, 0);
  expect(
    said(survivor, 'attempt begun')
      .map(({ job_id }) => job_id)
      .sort(),
  ).toEqual([first, ...jobs].sort());

  // Its successor clears away what lies about, and has all its slots.
  const successor = await rig.addRealWorker('doomed', ['--slots', '2']);
  await eventually(() => expect(attemptFolders(rig.outputDir)).toEqual([]), { within: 60_000 });
  await survivor.stop();
  await rig.submit(2, (k) => clip(`more-${k}.mp4`, 2));
  await eventually(() => expect(said(successor, 'attempt reported')).toHaveLength(2), { within: 60_000 });

  const { events } = await rig.peace();
  for (const id of jobs) {
    const types = events.filter(({ job_id }) => job_id === id).map(({ type }) => type);
    // On a machine that starves the survivor too, its lease may run out as well.
    const expired = types.filter((type) => type === 'lease_expired').length;
    expect(expired).toBeGreaterThanOrEqual(1);
    expect(types.filter((type) => type === 'assigned')).toHaveLength(expired + 1);
    expect(types.filter((type) => type === 'completed')).toHaveLength(1);
  }
  console.info(`its slots were free ${(freed / 1000).toFixed(1)} s after the kill, by a lease of 8 s`);
});

/** Slots that are in use. */
async function runningOn(name: string): Promise<number> {
  const [row] = await rig.query<{ running: number }>(
    `SELECT c.running FROM ffmpeg_master.node_counters c JOIN ffmpeg_master.nodes n ON n.id = c.node_id
     WHERE n.given_name = $1 ORDER BY n.id LIMIT 1`,
    [name],
  );
  return row?.running ?? 0;
}
