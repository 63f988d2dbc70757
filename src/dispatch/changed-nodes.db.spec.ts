/** Nodes that are changed at one master while a claim of theirs is parked at another. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import type { NodeRegistration } from '../protocol/node-registration.js';
import type { AttemptRow } from './claim.repository.js';

const db = useDatabase();
let signals: LocalSignals;
let here: DispatchMaster;
let elsewhere: DispatchMaster;
const IDENTITY = { name: 'changing', instance_id: randomUUID() };
const ZONE = { requirements: { labels: { zone: 'z' } } };

beforeEach(async () => {
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
  );
  signals = new LocalSignals();
  here = await new DispatchMaster(db.database, signals).start();
  elsewhere = await new DispatchMaster(db.database, signals).start();
});

afterEach(() => {
  here.draining.begin();
  here.stop();
  elsewhere.stop();
});

interface Parked {
  readonly node: string;
  readonly attempts: AttemptRow[];
}

async function park(traits: Partial<NodeRegistration> = {}): Promise<Parked> {
  const node = await here.node({ ...IDENTITY, ...traits });
  const parked: Parked = { node, attempts: [] };
  void here.claim(node, { wait_seconds: 60 }).then((attempts) => parked.attempts.push(...attempts));
  await eventually(() => expect([...here.claims['parked']].map((claim) => claim.node.id)).toContain(node));
  await eventually(() => expect(here.claims['parked'].fresh.size).toBe(0));
  return parked;
}

/** Until this master knows the node as the other one does. */
async function known(node: string): Promise<void> {
  const there = { ...elsewhere.nodeDirectory.peek(node) };
  await eventually(() => expect(here.nodeDirectory.peek(node)).toEqual(there));
}

/** By a signal, or, while all are lost, at a resync. */
const NEWS = [
  ['told by a signal', false],
  ['told by nobody, at the next poll', true],
] as const;

async function changed(node: string, lost: boolean, change: () => Promise<unknown>): Promise<void> {
  signals.lost = lost;
  await change();
  signals.lost = false;
  if (lost) signals.resync();
  await known(node);
}

const drain = (node: string, draining: boolean) => elsewhere.nodes.setDraining(PRINCIPAL, node, draining);

async function registerAgain(node: string, traits: Partial<NodeRegistration>): Promise<void> {
  expect(await elsewhere.node({ ...IDENTITY, ...traits })).toBe(node);
}

describe.each(NEWS)('a parked claim whose node was changed at another master, %s,', (_how, lost) => {
  it('gets no job where the node drains, and one where it is resumed', async () => {
    const { node, attempts } = await park();
    await changed(node, lost, () => drain(node, true));
    const job = await here.submit();
    // Whoever may have it gets it, though the other came first.
    const [taken] = await here.claim(await here.node(), { wait_seconds: 20 });
    expect(taken?.id).toBe(job.id);
    expect(attempts).toEqual([]);

    const next = await elsewhere.submit();
    await changed(node, lost, () => drain(node, false));
    await eventually(() => expect(attempts.map(({ id }) => id)).toEqual([next.id]), { within: 900 });
  });

  it.each(['here', 'elsewhere'])(
    'is given nothing of what the node can no longer run, submitted %s',
    async (at) => {
      const { node, attempts } = await park({ labels: { zone: 'z' } });
      await changed(node, lost, () => registerAgain(node, { labels: {} }));
      const job = await (at === 'here' ? here : elsewhere).submit(ZONE);
      const able = await here.node({ labels: { zone: 'z' } });
      const [taken] = await here.claim(able, { wait_seconds: 20 });
      expect(taken?.id).toBe(job.id);
      expect(attempts).toEqual([]);
      const plain = await here.submit();
      await eventually(() => expect(attempts.map(({ id }) => id)).toEqual([plain.id]), { within: 900 });
    },
  );

  it('is given what waits where the node has learned to run it', async () => {
    const { node, attempts } = await park();
    const job = await elsewhere.submit(ZONE);
    await changed(node, lost, () => registerAgain(node, { labels: { zone: 'z' } }));
    await eventually(() => expect(attempts.map(({ id }) => id)).toEqual([job.id]), { within: 900 });
  });
});

it('keeps its place in the order of arrival when its node becomes like others', async () => {
  const first = await park();
  const served: string[] = [];
  const other = await here.node({ labels: { zone: 'z' } });
  void here.claim(other, { wait_seconds: 60 }).then(() => served.push(other));
  await eventually(() => expect(here.claims['parked'].size).toBe(2));
  await changed(first.node, false, () => registerAgain(first.node, { labels: { zone: 'z' } }));
  await here.submit(ZONE);
  await eventually(() => expect([...served, ...first.attempts]).toHaveLength(1));
  expect(first.attempts).toHaveLength(1);
});
