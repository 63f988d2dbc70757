import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { mixedEnds } from './rig/mixed-ends.js';
import { Rig } from './rig/rig.js';
import { effort } from './selection.js';

const SECONDS = effort() === 'full' ? 30 : 8;

describe('backends terminated under load', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.start({ masters: 3 });
    await rig.read();
    rig.addWorkers(4, { roams: true, ends: mixedEnds(rig.random) });
    rig.load({ perSecond: 20 });
  });

  // Each test by itself, since only the last one comes to peace.
  afterEach(() => rig.expectVerified());
  afterAll(() => rig.stop());

  it("the leader's lock session: another term begins (F5, I4)", async () => {
    const epoch = await rig.epoch();
    expect(
      await terminate(`application_name = 'ffmpeg-master lock' AND pid IN (
      SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)`),
    ).toBe(1);
    await eventually(async () => expect(await rig.epoch()).toBeGreaterThan(epoch), { within: 15_000 });
    await rig.worksOn();
  });

  it('every listener: masters listen again and nothing waits for it (F5)', async () => {
    // A master is ready before it listens.
    const before = await eventually(
      async () => {
        const there = await pids('ffmpeg-master listener');
        expect(there).toHaveLength(3);
        return there;
      },
      { within: 15_000 },
    );
    expect(await terminate(`application_name = 'ffmpeg-master listener'`)).toBe(3);
    await eventually(
      async () => {
        const now = await pids('ffmpeg-master listener');
        expect(now).toHaveLength(3);
        expect(now.filter((pid) => before.includes(pid))).toEqual([]);
      },
      { within: 15_000 },
    );
    await rig.worksOn();
  });

  it(`any of them, twice a second for ${SECONDS} s: nothing is lost and nothing doubled (F5, I1, I2, I10)`, async () => {
    const began = performance.now();
    const hit: string[] = [];
    for (let k = 0; k < 2 * SECONDS; k += 1) {
      await pause(Math.max(0, began + 500 * k - performance.now()));
      const sessions = await rig.admin<{ pid: number; application_name: string }>(
        `SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE 'ffmpeg-master%' ORDER BY pid`,
      );
      const victim = rig.random.pick(sessions);
      const [row] = await rig.admin<{ done: boolean }>('SELECT pg_terminate_backend($1) AS done', [
        victim.pid,
      ]);
      if (row?.done === true) hit.push(victim.application_name);
    }
    expect(hit.length).toBeGreaterThan(1.5 * SECONDS);
    rig.history.fault('F5', `terminated ${hit.length} backends`);
    for (const master of rig.masters) expect(master.running).toBe(true);
    await rig.peace();
    const kinds = [...new Set(hit)].map((kind) => `${hit.filter((one) => one === kind).length} × ${kind}`);
    console.info(`terminated ${kinds.join(', ')}`);
  });

  async function pids(name: string): Promise<number[]> {
    const sql = 'SELECT pid FROM pg_stat_activity WHERE application_name = $1';
    return (await rig.admin<{ pid: number }>(sql, [name])).map(({ pid }) => pid);
  }

  async function terminate(where: string): Promise<number> {
    const sql = `SELECT pg_terminate_backend(pid) AS done FROM pg_stat_activity WHERE ${where}`;
    const ended = await rig.admin<{ done: boolean }>(sql);
    rig.history.fault('F5', `terminated where ${where}`);
    return ended.filter(({ done }) => done).length;
  }
});
