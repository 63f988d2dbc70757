import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { Rig } from './rig/rig.js';

const BLOCKED_MS = 10_000;

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ masters: 2, master: { blockMs: BLOCKED_MS } });
});

afterAll(() => rig.stop());

it("the leader's event loop stands still for 10 s: another one leads, and what it did believe in is over (F20, I2, I4)", async () => {
  await rig.read();
  rig.addWorkers(3, { roams: true });
  rig.load({ perSecond: 10 });
  await rig.worksOn();
  const leader = await rig.leader();
  const epoch = await rig.epoch();
  leader.signal('SIGUSR2');
  await eventually(() => expect(leader.program.output).toContain('the event loop is blocked'), {
    within: 15_000,
  });
  const blocked = performance.now();
  rig.history.fault('F20', `blocked the event loop of ${leader.url}`);
  // The fault: it accepts connections, for the kernel does, and answers nobody.
  expect(await leader.probe('/health/live')).toBeUndefined();
  await eventually(async () => expect(await rig.epoch()).toBeGreaterThan(epoch), {
    within: BLOCKED_MS,
    every: 10,
  });
  expect(leader.program.output).not.toContain('the event loop goes on');
  console.info(`next term after ${(performance.now() - blocked).toFixed(0)} ms`);
  await rig.worksOn();

  await eventually(() => expect(leader.program.output).toContain('the event loop goes on'), {
    within: 20_000,
  });
  await leader.ready(10_000);
  // It may lead again by now, in a term of its own, where the other one was starved.
  await eventually(() => expect(leader.program.output).toContain('this master no longer leads'), {
    within: 15_000,
  });
  await rig.worksOn();
  await rig.peace();
});
