/** Masters that are killed, stopped, blocked, drained, or live at another time. */
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import type { Master } from '../rig/master.js';
import { SOON_ELSEWHERE } from '../rig/recorder.js';
import { timeOfLastLine } from '../rig/time-of-log.js';
import type { ChaosFault, Stage } from './chaos-fault.js';

export const MASTER_FAULTS: readonly ChaosFault[] = [
  {
    name: 'F2 leader killed',
    excludes: 'master',
    inject: async (stage) => killed(stage, await leaderOf(stage)),
  },
  {
    name: 'F2 follower killed',
    excludes: 'master',
    inject: async (stage) => killed(stage, await followerOf(stage)),
  },
  {
    name: 'F3 leader stopped',
    excludes: 'master',
    inject: async (stage) => stopped(stage, await leaderOf(stage)),
  },
  {
    name: 'F3 follower stopped',
    excludes: 'master',
    inject: async (stage) => stopped(stage, await followerOf(stage)),
  },
  {
    name: 'F20 event loop blocked',
    excludes: 'master',
    inject: async (stage) => {
      const master = stage.rig.random.pick(readyMasters(stage));
      const before = blocks(master);
      master.signal('SIGUSR2');
      await eventually(() => expect(blocks(master)).toBe(before + 1), { within: 20_000 });
      await eventually(() => expect(goesOn(master)).toBe(before + 1), { within: 40_000 });
      return master.url;
    },
  },
  {
    name: 'F12 clock wrong',
    excludes: 'master',
    inject: async (stage) => {
      const { rig } = stage;
      const leaving = await followerOf(stage);
      if (!leaving) return undefined;
      const clock = rig.random.pick(['+5m', '-5m']);
      await leaving.kill();
      const { program } = await join(stage, clock);
      const off = timeOfLastLine(program) - Date.now();
      expect(Math.abs(off - (clock === '+5m' ? 300_000 : -300_000))).toBeLessThan(60_000);
      return clock;
    },
  },
  {
    name: 'drained',
    excludes: 'master',
    inject: async (stage) => {
      const { rig } = stage;
      const master = rig.random.pick(readyMasters(stage));
      master.signal('SIGTERM');
      await eventually(
        async () => {
          const status = await master.probe('/health/ready');
          if (status === 200) throw new Error('it does not drain yet');
        },
        { within: 20_000, every: 5 },
      );
      const begin = performance.now();
      const exit_status = await master.program.exit();
      const end = performance.now();
      rig.history.add({ kind: 'drain', by: 'rig', begin, end, master: master.address, exit_status });
      await join(stage);
      return master.url;
    },
  },
  {
    name: 'leader resigned',
    inject: async (stage) => {
      const leader = await leaderOf(stage);
      if (!leader) return undefined;
      const caller = { name: 'operator', patience: SOON_ELSEWHERE, url: () => leader.address };
      const reply = await stage.rig.recorder.post(caller, '/cluster/resign', {});
      return reply?.status === 200 ? leader.url : undefined;
    },
  },
];

/** Starts a master with what chaos needs, in front of which clients are linked. */
export async function join({ rig }: Pick<Stage, 'rig'>, clock?: string): Promise<Master> {
  const master = await rig.launchMaster({ blockMs: 5_000, ...(clock !== undefined && { clock }) });
  await master.linkFront();
  return master.ready(120_000);
}

export function readyMasters({ rig }: Stage): Master[] {
  return rig.masters.filter(({ running, wasReady }) => running && wasReady);
}

async function leaderOf({ rig }: Stage): Promise<Master | undefined> {
  return rig.leader(5_000).catch(() => undefined);
}

async function followerOf(stage: Stage): Promise<Master | undefined> {
  const leader = await leaderOf(stage);
  const followers = readyMasters(stage).filter((master) => master !== leader);
  return followers.length > 0 ? stage.rig.random.pick(followers) : undefined;
}

async function killed(stage: Stage, master: Master | undefined): Promise<string | undefined> {
  if (!master) return undefined;
  await master.kill();
  expect(master.program.child.signalCode).toBe('SIGKILL');
  await join(stage);
  return master.url;
}

/** Longer than a term is trusted, and often than a lease. */
async function stopped(stage: Stage, master: Master | undefined): Promise<string | undefined> {
  if (!master) return undefined;
  const milliseconds = stage.between(2_000, 6_000);
  master.signal('SIGSTOP');
  await stage.lasts(milliseconds);
  const answered = await master.probe('/health/live');
  master.signal('SIGCONT');
  expect(answered).toBeUndefined();
  return `${master.url} for ${milliseconds} ms`;
}

function blocks(master: Master): number {
  return master.program.output.split('the event loop is blocked').length - 1;
}

function goesOn(master: Master): number {
  return master.program.output.split('the event loop goes on').length - 1;
}
