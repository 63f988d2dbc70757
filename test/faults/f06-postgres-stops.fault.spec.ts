import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { DEMANDED } from './rig/master.js';
import { mixedEnds } from './rig/mixed-ends.js';
import { Rig } from './rig/rig.js';
import type { ServerStop } from './rig/single-server.js';

/**
 * Longer than a lease of this rig and than a gap that counts as an outage (5 s). A master writes that it lives before it
 * answers: of a lease of 3 s a busy machine left its worker nothing.
 */
const AWAY_MS = 8_000;
const LEASE = '6s';

describe('PostgreSQL stops under load', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.start({ masters: 3, env: { WORKERS_LEASE_DURATION: LEASE } });
    await rig.read();
    rig.addWorkers(4, { roams: true, queues: ['default'], ends: mixedEnds(rig.random) });
    rig.load({ perSecond: 15 });
  });

  // Each test by itself, since only the last one comes to peace.
  afterEach(() => rig.expectVerified());
  afterAll(() => rig.stop());

  it.each<[ServerStop, string]>([
    ['fast', 'a fast restart'],
    ['immediate', 'an immediate restart'],
    ['kill', 'kill -9 of the postmaster'],
  ])('%s: masters stay, say so, and go on (F6, I11)', async (how, what) => {
    await rig.worksOn();
    await stopAndAssert(how, what);
    await rig.server.resume();
    await backToWork();
  });

  it('away for longer than a lease: no attempt is given to another (F6, I2)', async () => {
    // Attempts that outlast the outage; their lease would be over long before it ends.
    rig.addWorkers(1, { name: 'steady', queues: ['live'], slots: 4, workMs: () => AWAY_MS + 4_000 });
    const long = await rig.submit(4, (k) => ({ scenario: `long ${k}`, queue: 'live' }));
    await eventually(
      async () => {
        const running = await rig.query(
          `SELECT 1 FROM ffmpeg_master.jobs WHERE queue = 'live' AND status = 'running'`,
        );
        expect(running).toHaveLength(4);
      },
      { within: 15_000 },
    );
    await stopAndAssert('fast', `away for ${AWAY_MS} ms`);
    await pause(AWAY_MS);
    await rig.server.resume();
    await backToWork();
    await rig.peace();
    const again = await rig.query(
      'SELECT 1 FROM ffmpeg_master.job_history WHERE id = ANY($1) AND attempt > 1',
      [long],
    );
    expect(again).toEqual([]);
  });

  async function stopAndAssert(how: ServerStop, what: string): Promise<void> {
    await rig.server.halt(how);
    rig.history.fault('F6', what);
    for (const master of rig.masters) {
      await eventually(async () => expect(await master.probe('/health/ready')).toBe(503), { within: 10_000 });
      expect(await master.probe('/health/live', DEMANDED)).toBe(200);
      const { text } = await master.ask(`${master.url}/health`, DEMANDED);
      expect(JSON.parse(text)).toMatchObject({ status: 'healthy', database: 'down' });
    }
  }

  async function backToWork(): Promise<void> {
    const back = performance.now();
    for (const master of rig.masters) await master.ready(10_000);
    console.info(`ready ${(performance.now() - back).toFixed(0)} ms after the server was back`);
    await rig.worksOn();
    for (const master of rig.masters) expect(master.running).toBe(true);
  }
});
