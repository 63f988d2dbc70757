import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { instantsAtItsSlots } from './rig/full-node.js';
import { mixedEnds } from './rig/mixed-ends.js';
import { Rig } from './rig/rig.js';
import { effort } from './selection.js';

/** Between two kills, and how many of them. In `full` as guarantees.md has it. */
const [EVERY_MS, KILLS] = effort() === 'full' ? [20_000, 6] : [4_000, 6];

let rig: Rig;

beforeAll(async () => {
  rig = await Rig.start({ masters: 3, env: { QUEUES_BATCH_MAX_RUNNING: '2' } });
});

afterAll(() => rig.stop());

it('leader and follower killed in turn under load: nothing is lost and nothing doubled, no limit exceeded (F2, I1, I2, I4, I7, I10)', async () => {
  await rig.read();
  rig.addWorkers(4, { roams: true, ends: mixedEnds(rig.random) });
  rig.addWorkers(1, {
    name: 'greedy',
    greedy: true,
    roams: true,
    workMs: () => 200 + rig.random.below(200),
  });
  rig.load({ perSecond: 16 });
  rig.load({ perSecond: 4, job: (k) => ({ scenario: `bounded ${k}`, queue: 'batch' }) });
  let [leaders, followers] = [0, 0];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const turn = performance.now();
    const leader = await rig.leader();
    const victim =
      kill % 2 === 0 ? leader : rig.random.pick(rig.masters.filter((one) => one.running && one !== leader));
    if (victim === leader) leaders += 1;
    else followers += 1;
    await victim.kill();
    expect(victim.program.child.signalCode).toBe('SIGKILL');
    rig.history.fault('F2', `killed ${victim === leader ? 'the leader' : 'a follower'} ${victim.url}`);
    await rig.addMaster();
    await pause(Math.max(0, EVERY_MS - (performance.now() - turn)));
  }
  const { operations, terms } = await rig.peace();
  const atTheLimit = operations.filter(
    (one) => one.kind === 'instant' && one.queues.some(({ running, max_running }) => running === max_running),
  );
  expect(atTheLimit.length).toBeGreaterThan(0);
  // It asked for more than its slots all the time; the checker held all instants against them.
  const full = instantsAtItsSlots(operations, 'greedy');
  expect(full.length).toBeGreaterThan(0);
  expect([leaders, followers]).toEqual([KILLS / 2, KILLS / 2]);
  expect(terms.length).toBeGreaterThan(leaders);
  const cut = operations.filter(({ kind, end }) => kind !== 'fault' && end === undefined).length;
  console.info(
    `${leaders} leaders and ${followers} followers killed, ${terms.length} terms, ${cut} calls unanswered, the greedy node full at ${full.length} instants`,
  );
});
