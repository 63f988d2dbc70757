import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rig } from './rig/rig.js';
import { measuring } from './selection.js';

/** The claim latency that guarantees.md allows where signals do not come. */
const POLL_MS = 1_000;

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ masters: 2 });
});

afterAll(() => rig.stop());

it('every NOTIFY dropped: polling keeps the claim latency at a second, and nothing is lost (F9, I1, I10, I11)', async () => {
  const [here, elsewhere] = rig.masters;
  if (!here || !elsewhere) throw new Error('two masters were started');
  await rig.read();
  // Workers wait at one master, and jobs come in at the other: only a signal or the poll can bring them together.
  rig.addWorkers(2, { urls: () => [elsewhere.url], waitSeconds: 20, workMs: () => 1 });
  for (const { links } of rig.masters) for (const link of links) link.dropsNotifications = true;
  rig.history.fault('F9', 'notifications are dropped');
  const load = rig.load({ urls: () => [here.url], perSecond: 4 });
  await rig.worksOn(40);
  await load.stop();
  const dropped = rig.masters
    .flatMap(({ links }) => links)
    .reduce((sum, { counts }) => sum + counts.notifications, 0);
  expect(dropped).toBeGreaterThan(10);

  const waits = await rig.query<{ ms: number }>(
    'SELECT (extract(epoch FROM assigned_at - created_at) * 1000)::float8 AS ms FROM ffmpeg_master.job_history ORDER BY 1',
  );
  const median = waits[Math.floor(waits.length / 2)]?.ms ?? Infinity;
  console.info(
    `${dropped} notifications dropped; claimed after ${median.toFixed(0)} ms at the median of ${waits.length}`,
  );
  expect(median).toBeLessThanOrEqual(measuring().times * POLL_MS);
  await rig.peace();
});
