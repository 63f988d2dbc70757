import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { hasDebianPostgres } from './rig/debian-server.js';
import { expectBound } from './rig/figures.js';
import { DEMANDED, type Master } from './rig/master.js';
import { describeWhere } from './rig/needs.js';
import { SOON_ELSEWHERE } from './rig/recorder.js';
import { Rig } from './rig/rig.js';
import type { ServerStop } from './rig/single-server.js';
import { StandbyPair } from './rig/standby-pair.js';
import { measuring } from './selection.js';

const { repeats } = measuring();
const WAYS_TO_GO = ['reachable', 'gone', 'silent'] as const;
type WayToGo = (typeof WAYS_TO_GO)[number];
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

  it('all masters follow, whether the old primary is reachable, gone, or silent (I11, F7, F8)', async () => {
    rig.addWorkers(2);
    const load = rig.load({ perSecond: 5 });
    const times: number[] = [];
    for (let k = 0; k < repeats; k += 1) {
      await rig.worksOn(5);
      const how = WAYS_TO_GO[k % WAYS_TO_GO.length] ?? 'gone';
      const release = await loseThePrimary(how);
      const promoted = await pair.promote();
      rig.history.fault('F7', `promoted, the old primary ${how}`);
      await Promise.all(rig.masters.map((master) => writesAt(master.url)));
      times.push(performance.now() - promoted);
      await Promise.all(rig.masters.map(listens));
      await pair.rejoin();
      release();
    }
    await load.stop();
    const measured =
      'from the new primary accepting writes until each master has acknowledged a submit on it; the old primary is reachable and read-only, gone, or silent as a machine without power, in turn';
    expectBound(
      'primary-fails-over',
      { event: 'primary fails over → masters follow', boundMs: 5_000, measured },
      times,
    );
    await rig.peace();
  });

  /** Answers how to undo what must not outlive the fail-over. */
  async function loseThePrimary(how: WayToGo): Promise<() => void> {
    if (how === 'reachable') await pair.makePrimaryReadOnly();
    if (how === 'gone') await pair.primary.halt('immediate');
    if (how !== 'silent') return () => undefined;
    const nth = pair.servers.indexOf(pair.primary);
    const links = rig.masters.map((master) => master.links[nth]).filter((link) => link !== undefined);
    for (const link of links) {
      // Pool, lock session and listener, and whoever comes after them: nobody hears a reset.
      expect(link.hold()).toBeGreaterThan(2);
      link.refuse('silent');
    }
    return () => links.forEach((link) => link.release());
  }

  function listens(master: Master): Promise<void> {
    return eventually(async () => expect(await master.metric('ffrtmp_listener_up')).toBe(1), {
      within: 15_000,
    });
  }

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
