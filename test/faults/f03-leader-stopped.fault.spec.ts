import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { isPool } from './rig/link-name.js';
import { Rig } from './rig/rig.js';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ masters: 3 });
});

afterAll(() => rig.stop());

it('a leader that is stopped past its term, with duties on their way, changes nothing when it goes on (F3, I3, I4)', async () => {
  rig.addWorkers(3, { roams: true });
  rig.load({ perSecond: 10 });
  await rig.worksOn();
  const leader = await rig.leader();
  const epoch = await rig.epoch();

  // What it has sent and the server has not got yet comes after the next term began.
  for (const link of leader.links) link.hold(isPool, ['to-server']);
  await eventually(() => expect(leader.links.some(({ counts }) => counts.held > 3)).toBe(true));
  leader.signal('SIGSTOP');
  rig.history.fault('F3', `stopped the leader ${leader.url} with statements on their way`);
  await eventually(async () => expect(await rig.epoch()).toBe(epoch + 1), { within: 10_000, every: 5 });
  const next = await rig.leader();
  expect(next).not.toBe(leader);
  await rig.worksOn();

  for (const link of leader.links) link.release();
  leader.signal('SIGCONT');
  await eventually(async () => expect(await leader.probe('/health/ready')).toBe(200), { within: 30_000 });
  expect(leader.program.output).toContain('this master no longer leads');
  expect(await leader.probe('/health/leader')).toBe(503);
  expect(await rig.epoch()).toBe(epoch + 1);
  await rig.peace();
});
