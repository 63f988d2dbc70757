import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { isListener, isLockSession, isPool } from './rig/link-name.js';
import type { Master } from './rig/master.js';
import { Rig } from './rig/rig.js';
import { measuring } from './selection.js';

/** Within which guarantees.md has a dead listener found. */
const FOUND_MS = 5_000;

describe('links to the database that stop forwarding without being closed', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.start({ masters: 2 });
    await rig.read();
    rig.addWorkers(3, { roams: true });
    rig.load({ perSecond: 10 });
    await rig.worksOn();
  });

  // Each test by itself, since only the last one comes to peace.
  afterEach(() => rig.expectVerified());
  afterAll(() => rig.stop());

  it('the listener: found within 5 s, and replaced (F8, I11)', async () => {
    const master = rig.masters[0] as Master;
    const links = linksOf(master);
    // A master is ready before it listens.
    await eventually(() => expect(links.names.filter(isListener)).toHaveLength(1), { within: 20_000 });
    expect(links.freeze(isListener)).toBe(1);
    const began = performance.now();
    rig.history.fault('F8', 'froze a listener');
    await eventually(async () => expect(await master.metric('ffrtmp_listener_up')).toBe(0), {
      within: 20_000,
    });
    const found = performance.now() - began;
    console.info(`found after ${found.toFixed(0)} ms`);
    expect(found).toBeLessThanOrEqual(measuring().times * FOUND_MS);
    await eventually(async () => expect(await master.metric('ffrtmp_listener_up')).toBe(1), {
      within: 15_000,
    });
    expect(links.counts.held).toBeGreaterThan(0);
    await rig.worksOn();
    links.release();
  });

  it('the lock session of the leader: another term begins (F8, I4, I11)', async () => {
    const leader = await rig.leader();
    const epoch = await rig.epoch();
    const before = linksOf(leader).counts.held;
    expect(linksOf(leader).freeze(isLockSession)).toBe(1);
    const began = performance.now();
    rig.history.fault('F8', "froze the leader's lock session");
    await eventually(async () => expect(await rig.epoch()).toBeGreaterThan(epoch), {
      within: 15_000,
      every: 10,
    });
    console.info(`next term after ${(performance.now() - began).toFixed(0)} ms`);
    expect(linksOf(leader).counts.held).toBeGreaterThan(before);
    await rig.worksOn();
    linksOf(leader).release();
  });

  it('the whole pool of a master: its statements are given up, new connections serve, nothing is lost (F8, I1, I2)', async () => {
    const master = rig.masters[1] as Master;
    const before = linksOf(master).counts.held;
    expect(linksOf(master).freeze(isPool)).toBeGreaterThan(0);
    rig.history.fault('F8', 'froze a pool');
    await eventually(() => expect(linksOf(master).counts.held).toBeGreaterThan(before), { within: 15_000 });
    await rig.worksOn(50, 60_000);
    await master.ready(30_000);
    linksOf(master).release();
    await rig.peace();
  });
});

/** One host, so one link proxy. */
function linksOf(master: Master) {
  const [proxy] = master.links;
  if (!proxy) throw new Error('this master has no links');
  return proxy;
}
