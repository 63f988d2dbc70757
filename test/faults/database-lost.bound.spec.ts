import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { hasDebianPostgres } from './rig/debian-server.js';
import { expectBound } from './rig/figures.js';
import { DEMANDED } from './rig/master.js';
import { describeWhere } from './rig/needs.js';
import { SOON_ELSEWHERE } from './rig/recorder.js';
import { Rig } from './rig/rig.js';
import type { ServerStop } from './rig/single-server.js';
import { StandbyPair } from './rig/standby-pair.js';
import { measuring } from './selection.js';

const { repeats } = measuring();
const STOPS: readonly ServerStop[] = ['fast', 'immediate', 'kill'];

describe('PostgreSQL restarts', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.start({ masters: 3 });
  });

  afterAll(() => rig.stop());

  it('all masters are ready again (I11, F6)', async () => {
    rig.addWorkers(2);
    const load = rig.load({ perSecond: 5 });
    const times: number[] = [];
    for (let k = 0; k < repeats; k += 1) {
      const how = STOPS[k % STOPS.length] ?? 'fast';
      await rig.server.halt(how);
      rig.history.fault('F6', how);
      for (const master of rig.masters) {
        await eventually(async () => expect(await master.probe('/health/ready')).toBe(503), {
          within: 10_000,
        });
        expect(await master.probe('/health/live', DEMANDED)).toBe(200);
      }
      await rig.server.resume();
      const back = performance.now();
      await Promise.all(rig.masters.map((master) => master.ready()));
      times.push(performance.now() - back);
      await rig.worksOn(5);
    }
    for (const master of rig.masters) expect(master.running).toBe(true);
    await load.stop();
    const measured =
      'from the server accepting connections (fast, immediate and kill -9 in turn) until /health/ready of all three masters is 200';
    expectBound(
      'postgres-restarts',
      { event: 'PostgreSQL restarts → masters ready', boundMs: 2_000, measured },
      times,
    );
    await rig.peace();
  });
});

describeWhere('the primary fails over', hasDebianPostgres() ? [] : ['postgresql-15'], () => {
  let rig: Rig;
  let pair: StandbyPair;

  beforeAll(async () => {
    pair = await StandbyPair.start({ synchronous: true });
    rig = await Rig.start({ masters: 2, database: pair });
  });

  afterAll(() => rig.stop());

  it('all masters follow, whether the old primary is gone or reachable (I11, F7)', async () => {
    rig.addWorkers(2);
    const load = rig.load({ perSecond: 5 });
    const times: number[] = [];
    for (let k = 0; k < repeats; k += 1) {
      await rig.worksOn(5);
      if (k % 2 === 0) await pair.makePrimaryReadOnly();
      else await pair.primary.halt('immediate');
      const promoted = await pair.promote();
      rig.history.fault('F7', `promoted, the old primary ${k % 2 === 0 ? 'reachable' : 'gone'}`);
      await Promise.all(rig.masters.map((master) => writesAt(master.url)));
      times.push(performance.now() - promoted);
      await pair.rejoin();
    }
    await load.stop();
    const measured =
      'from the new primary accepting writes until each master has acknowledged a submit on it; the old primary is reachable and read-only, or gone, in turn';
    expectBound(
      'primary-fails-over',
      { event: 'primary fails over → masters follow', boundMs: 5_000, measured },
      times,
    );
    await rig.peace();
  });

  async function writesAt(url: string): Promise<void> {
    // It asks again: of a master that follows late, the time counts until it answers.
    const caller = { name: 'probe', patience: SOON_ELSEWHERE, url: () => url };
    await eventually(
      async () => {
        const reply = await rig.recorder.submit(caller, [{ scenario: 'probe' }]);
        if (reply?.status !== 201) throw new Error(`${url} answered ${reply?.status ?? 'nothing'}`);
      },
      { within: 30_000, every: 10 },
    );
  }
});
