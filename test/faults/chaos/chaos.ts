/**
 * Chaos: faults at random moments and often several at once, under a load of known jobs; then peace, the checker and
 * `verify`. Of the faults that guarantees.md lists, some cannot be part of it: F13 and F21 need a pooler or a balancer
 * before all that chaos moves about, F16 an empty database, F17 another build; of F19 the full disk needs a tablespace
 * on a mount, of F12 the worker's clock a start with it. They have tests of their own, and docs/reliability.md names them.
 * Faults that exclude one another wait for each other; whatever the seed decides is the same in every run with it, but not
 * when processes do what.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { check } from '../checker/check.js';
import { instantsAtItsSlots } from '../rig/full-node.js';
import { mixedEnds } from '../rig/mixed-ends.js';
import { Rig } from '../rig/rig.js';
import { random } from '../../support/seed.js';
import { StandbyPair } from '../rig/standby-pair.js';
import type { ChaosFault, Stage } from './chaos-fault.js';
import { CLIENT_FAULTS } from './client-faults.js';
import { DATABASE_FAULTS } from './database-faults.js';
import { isInTheWay } from './in-the-way.js';
import { LINK_FAULTS } from './link-faults.js';
import { join, MASTER_FAULTS } from './master-faults.js';
import { closeRealLinks, joinRealWorker, REAL_WORKER_FAULTS } from './real-workers.js';

export const FAULTS: readonly ChaosFault[] = [
  ...MASTER_FAULTS,
  ...DATABASE_FAULTS,
  ...LINK_FAULTS,
  ...CLIENT_FAULTS,
  ...REAL_WORKER_FAULTS,
];

/** Milliseconds between two faults, at the mean; as many at once at most. */
const EVERY = 4_000;
const AT_ONCE = 3;

export interface ChaosResult {
  /** How often each fault happened. */
  readonly counts: ReadonlyMap<string, number>;
  readonly jobs: number;
  /** Attempts beyond the first of their job. */
  readonly repeats: number;
  readonly terms: number;
  /** Instants at which the node that asks for more than its slots had them all in use. */
  readonly full: number;
  /** Calls that nobody answered. */
  readonly unanswered: number;
  /** What the checker found. */
  readonly violations: number;
}

export async function chaos(milliseconds: number): Promise<ChaosResult> {
  const pair = await StandbyPair.start({ synchronous: true });
  const rig = await Rig.start({
    masters: 0,
    database: pair,
    env: { RETRY_MAX_RETRIES: '50', QUEUES_BATCH_MAX_RUNNING: '2' },
  });
  try {
    await Promise.all([1, 2, 3].map(() => join({ rig })));
    await rig.read();
    rig.addWorkers(6, {
      roams: true,
      ends: mixedEnds(rig.random),
      queues: ['default', 'batch'],
      workMs: () => 20 + rig.random.below(1_500),
    });
    rig.addWorkers(1, {
      name: 'greedy',
      greedy: true,
      roams: true,
      workMs: () => 100 + rig.random.below(700),
    });
    for (const name of ['real-1', 'real-2']) await joinRealWorker(rig, name);
    rig.load({ perSecond: 8, job: (k) => jobOf(rig, k) });
    rig.load({ perSecond: 0.2, job: (k) => clip(k) });
    const counts = await injectFor(milliseconds, rig, pair);
    for (const master of rig.masters.filter(({ running }) => running)) await master.ready(120_000);
    const evidence = await rig.peace(180_000);
    const { operations, jobs, terms, events } = evidence;
    return {
      violations: check(evidence).length,
      counts,
      full: instantsAtItsSlots(operations, 'greedy').length,
      jobs: jobs.length,
      repeats:
        events.filter(({ type }) => type === 'assigned').length -
        new Set(events.filter(({ type }) => type === 'assigned').map(({ job_id }) => job_id)).size,
      terms: terms.length,
      unanswered: operations.filter(({ kind, end }) => kind !== 'fault' && end === undefined).length,
    };
  } finally {
    await rig.stop();
    await closeRealLinks(rig);
  }
}

async function injectFor(milliseconds: number, rig: Rig, pair: StandbyPair): Promise<Map<string, number>> {
  const until = performance.now() + milliseconds;
  const counts = new Map<string, number>();
  const underWay = new Map<ChaosFault, Promise<void>>();
  const failures: unknown[] = [];
  // Chance of its own: workers and the load draw from the rig's in an order that no seed decides.
  const chance = random(rig.random.seed);
  while (performance.now() < until && failures.length === 0) {
    rig.expectNobodyDied();
    await pause(chance.below(2 * EVERY));
    if (underWay.size >= AT_ONCE) continue;
    const busy = new Set([...underWay.keys()].map(({ excludes }) => excludes));
    const possible = FAULTS.filter(
      (fault) => !underWay.has(fault) && (fault.excludes === undefined || !busy.has(fault.excludes)),
    );
    const fault = chance.pick(possible);
    const injected = inject(fault, new Turn(rig, pair, until), counts)
      .catch(
        (error: unknown) =>
          void failures.push(new Error(`${fault.name}: ${String(error)}`, { cause: error })),
      )
      .finally(() => underWay.delete(fault));
    underWay.set(fault, injected);
  }
  await Promise.all(underWay.values());
  if (failures.length > 0) throw failures[0];
  return counts;
}

/** What one fault acts on. */
class Turn implements Stage {
  /** Whether chaos ended before the fault had lasted as long as it should. */
  cutShort = false;

  constructor(
    readonly rig: Rig,
    readonly pair: StandbyPair,
    private readonly until: number,
  ) {}

  // Faults take what they need out of it, so these must not depend on how they are called.
  readonly between = (from: number, to: number) => from + this.rig.random.below(to - from + 1);

  readonly lasts = async (milliseconds: number): Promise<void> => {
    const left = Math.max(0, this.until - performance.now());
    if (left < milliseconds) this.cutShort = true;
    await pause(Math.min(milliseconds, left));
  };
}

async function inject(fault: ChaosFault, stage: Turn, counts: Map<string, number>): Promise<void> {
  const began = performance.now();
  const detail = await fault.inject(stage).catch((error: unknown) => {
    // Another fault may be in the way: the database is away while this one wants to ask it.
    if (isInTheWay(error)) return undefined;
    throw error;
  });
  if (detail === undefined || stage.cutShort) return;
  counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
  stage.rig.history.fault(fault.name, detail);
  console.info(
    `${(performance.now() / 1000).toFixed(0)} s: ${fault.name}, ${detail} (${(performance.now() - began).toFixed(0)} ms)`,
  );
}

/** Mostly short jobs; some later, some in another queue, some of high priority. */
function jobOf(rig: Rig, k: number): object {
  const later = new Date(Date.now() + rig.random.below(5_000)).toISOString();
  return {
    scenario: `chaos ${k}`,
    priority: rig.random.pick(['high', 'medium', 'low']),
    // Two of batch run at once: beyond a fifth of the load it could not keep up, and half an hour's rest outlasted the peace.
    queue: rig.random.pick(['default', 'default', 'default', 'default', 'batch']),
    ...(rig.random.below(10) === 0 && { run_at: later }),
  };
}

/** A clip that a real worker encodes. */
function clip(k: number): object {
  const parameters = { duration: 1, preset: 'ultrafast', output: `clip-${k}.mp4` };
  return { scenario: '240p-h264', queue: 'live', parameters };
}
