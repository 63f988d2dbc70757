import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { expectBound } from './rig/figures.js';
import { isListener } from './rig/link-name.js';
import { Rig } from './rig/rig.js';
import { measuring } from './selection.js';

const { repeats } = measuring();

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ masters: 2 });
});

afterAll(() => rig.stop());

it('a LISTEN session that dies silently is found, and meanwhile the poll brings jobs to workers (I11, F8)', async () => {
  const [here, elsewhere] = rig.masters;
  const [links] = elsewhere?.links ?? [];
  if (!here || !elsewhere || !links) throw new Error('two masters were started');
  rig.addWorkers(2, { urls: () => [elsewhere.url], waitSeconds: 20, workMs: () => 1 });
  const found: number[] = [];
  const jobs: string[] = [];
  const caller = { name: 'team', url: () => here.url };
  // A master is ready before it listens.
  await eventually(() => expect(links.names.filter(isListener)).toHaveLength(1), { within: 20_000 });
  await eventually(async () => expect(await elsewhere.metric('ffrtmp_listener_up')).toBe(1), {
    within: 20_000,
  });
  for (let k = 0; k < repeats; k += 1) {
    expect(links.freeze(isListener)).toBe(1);
    const began = performance.now();
    rig.history.fault('F8', 'froze a listener');
    // One that comes in while nobody knows: its signal is lost.
    const reply = await rig.recorder.submit(caller, [{ scenario: `unheard ${k}` }]);
    expect(reply?.status).toBe(201);
    jobs.push((reply?.body as { id: string }).id);
    await eventually(async () => expect(await elsewhere.metric('ffrtmp_listener_up')).toBe(0), {
      within: 20_000,
    });
    found.push(performance.now() - began);
    await eventually(async () => expect(await elsewhere.metric('ffrtmp_listener_up')).toBe(1), {
      within: 20_000,
    });
    links.release();
    await eventually(() => expect(links.names.filter(isListener)).toHaveLength(1), { within: 20_000 });
  }
  await eventually(
    async () => {
      const rows = await rig.query('SELECT 1 FROM ffmpeg_master.job_history WHERE id = ANY($1)', [jobs]);
      expect(rows).toHaveLength(repeats);
    },
    { within: 20_000 },
  );
  expect(links.counts.held).toBeGreaterThan(0);
  const waits = await rig.query<{ ms: number }>(
    `SELECT (extract(epoch FROM assigned_at - created_at) * 1000)::float8 AS ms
     FROM ffmpeg_master.job_history WHERE id = ANY($1)`,
    [jobs],
  );
  const measured = 'from freezing its link until the master says that it does not listen';
  expectBound(
    'listener-dies',
    { event: 'LISTEN session dies silently → found', boundMs: 5_000, measured },
    found,
  );
  const meanwhile =
    'from the commit of a submit at another master until a parked worker has the job, nobody hearing signals';
  expectBound(
    'claims-without-signals',
    { event: 'claim latency meanwhile', boundMs: 1_000, measured: meanwhile },
    waits.map(({ ms }) => ms),
  );
  await rig.peace();
});
