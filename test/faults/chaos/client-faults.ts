/** Workers that die, freeze and lie, and teams that ask for the same at once. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { SOON_ELSEWHERE, type Caller } from '../rig/recorder.js';
import type { ChaosFault, Stage } from './chaos-fault.js';

export const CLIENT_FAULTS: readonly ChaosFault[] = [
  {
    name: 'F1 worker killed',
    inject: async ({ rig }) => {
      const [victim] = rig.workers.filter(({ busy }) => busy > 0).slice(-1);
      if (!victim) return undefined;
      const { busy } = victim;
      victim.abandon();
      rig.workers.splice(rig.workers.indexOf(victim), 1);
      // Another machine of the same kind.
      const kind = victim.options.greedy === true ? 'greedy' : 'known';
      rig.addWorkers(1, { ...victim.options, name: `${kind}-${randomUUID().slice(0, 8)}` });
      return `with ${busy} attempts`;
    },
  },
  {
    name: 'F4 worker stopped past its lease',
    inject: async ({ rig, lasts }) => {
      const victim = rig.workers.find(({ busy }) => busy > 0);
      if (!victim) return undefined;
      const { busy } = victim;
      victim.freeze();
      await lasts(5_000);
      victim.thaw();
      return `with ${busy} attempts`;
    },
  },
  {
    name: 'F14 the same submit many times',
    inject: async ({ rig }) => {
      const key = randomUUID();
      const caller = someCaller(rig, 'hasty');
      const replies = await Promise.all(
        Array.from({ length: 20 }, () => rig.recorder.submit(caller, [{ scenario: 'the same' }], key)),
      );
      const made = replies.filter((reply) => reply?.status === 201);
      expect(new Set(made.map((reply) => (reply?.body as { id: string }).id)).size).toBeLessThanOrEqual(1);
      return made.length > 1 ? `${made.length} of 20 acknowledged` : undefined;
    },
  },
  {
    name: 'F15 cancel races with the end',
    inject: async ({ rig }) => {
      const caller = someCaller(rig, 'undecided');
      const running = await rig
        .query<{ id: string }>(
          `SELECT id FROM ffmpeg_master.jobs WHERE status IN ('assigned', 'running') LIMIT 5`,
        )
        .catch(() => []);
      if (running.length === 0) return undefined;
      await Promise.all(running.map(({ id }) => rig.recorder.intervene(caller, 'cancel', id)));
      await Promise.all(running.map(({ id }) => rig.recorder.intervene(caller, 'retry', id)));
      return `${running.length} jobs`;
    },
  },
  {
    name: 'F23 a worker lies',
    inject: async (stage) => {
      const { rig } = stage;
      const leases = await rig
        .query<{ job_id: string; lease_token: number; node_id: string }>(
          'SELECT job_id, lease_token::float8 AS lease_token, node_id FROM ffmpeg_master.leases LIMIT 5',
        )
        .catch(() => []);
      const nodes = rig.workers.flatMap(({ nodeIds }) => nodeIds);
      const caller = someCaller(rig, 'liar');
      let lies = 0;
      for (const { job_id, lease_token, node_id } of leases) {
        const other = nodes.find((id) => id !== node_id);
        if (other === undefined) continue;
        for (const [node, token] of [
          [other, lease_token],
          [node_id, lease_token + stage.between(1, 50)],
        ] as const) {
          // Not by the recorder's own report: a lie ends nobody's belief in a lease.
          const results = [{ job_id, lease_token: token, status: 'completed' }];
          const told = await rig.recorder.post<{ results: { outcome: string }[] }>(
            caller,
            `/nodes/${node}/report`,
            { results },
          );
          if (told?.status !== 200) continue;
          // Its holder may have said the same by now: to whoever repeats that it is a duplicate (ADR 0001).
          expect(told.body.results[0]?.outcome).not.toBe('accepted');
          lies += 1;
        }
      }
      return lies > 0 ? `${lies} reports` : undefined;
    },
  },
];

function someCaller(rig: Stage['rig'], name: string): Caller {
  return { name, patience: SOON_ELSEWHERE, url: () => rig.random.pick(rig.urls()) };
}
