import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { isPool } from './rig/link-name.js';
import type { Master } from './rig/master.js';
import { Rig } from './rig/rig.js';

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ masters: 3 });
});

afterAll(() => rig.stop());

it('a leader that is stopped past its term, with duties on their way, changes nothing when it goes on (F3, I4)', async () => {
  rig.addWorkers(3, { roams: true });
  rig.load({ perSecond: 10 });
  await rig.worksOn();
  const leader = await rig.leader();
  const epoch = await rig.epoch();

  // What it has sent and the server has not got yet comes after the next term began.
  await holdADuty(leader);
  leader.signal('SIGSTOP');
  rig.history.fault('F3', `stopped the leader ${leader.url} with statements on their way`);
  await eventually(async () => expect(await rig.epoch()).toBeGreaterThan(epoch), {
    within: 10_000,
    every: 5,
  });
  // At once: its client gives up what was not answered for 6 s, and then no fence would be met.
  for (const link of leader.links) link.release();
  leader.signal('SIGCONT');
  await eventually(
    async () => {
      expect(leader.program.output).toContain('this master no longer leads');
      expect(await leader.metric('ffrtmp_duty_runs_total', 'outcome="fenced"')).toBeGreaterThan(0);
      expect(await leader.probe('/health/ready')).toBe(200);
    },
    { within: 30_000 },
  );
  // Where the next one is starved for a second and a half this one may lead again, in a term of its own.
  await rig.worksOn();
  await rig.peace();
});

/**
 * Only duties are transactions of several statements here, and they run every 5 s. The first message of one is held, and
 * what comes after it on its link; all else goes on, or claims would hold every connection before a duty has one.
 */
async function holdADuty({ links }: Master): Promise<void> {
  for (const link of links) link.holdFrom('BEGIN', isPool);
  await eventually(() => expect(links.some((link) => link.holds('BEGIN'))).toBe(true), {
    within: 30_000,
    every: 5,
  });
}
