/** Nodes that run all the jobs they can and say so every ten seconds, spread evenly over that time. */
import { randomUUID } from 'node:crypto';
import { type Fleet, register, type SimulatedNode } from './nodes.js';

/** Between two heartbeats of a node, in milliseconds. */
export const INTERVAL = 10_000;

/** Between two looks for nodes that are due, in milliseconds. */
const TICK = 5;

export interface Beaten {
  readonly heartbeats: number;
  /** Attempts that they carried; each was extended. */
  readonly attempts: number;
  /** From a heartbeat to its answer, in milliseconds. */
  readonly p50_ms: number;
  readonly p99_ms: number;
}

interface Runner {
  readonly node: SimulatedNode;
  readonly attempts: readonly { readonly job_id: string; readonly lease_token: number }[];
  isWaiting: boolean;
}

let runners: Runner[] = [];
let timer: NodeJS.Timeout | undefined;
let failure: Error | undefined;
let took: number[] = [];
let sentAttempts = 0;

/** Registers the nodes, has each claim its slots full, and begins to beat. Answers the attempts that run. */
export async function startFleet(fleet: Fleet): Promise<number> {
  const nodes = await register(fleet);
  runners = await Promise.all(nodes.map((node) => fillSlots(node, fleet.slots)));
  const began = performance.now();
  let next = 0;
  timer = setInterval(() => {
    const due = ((performance.now() - began) / INTERVAL) * runners.length;
    for (; next < due; next += 1) {
      const runner = runners[next % runners.length] as Runner;
      void beat(runner, Math.floor(next / runners.length)).catch((error: Error) => (failure ??= error));
    }
  }, TICK);
  return runners.reduce((sum, { attempts }) => sum + attempts.length, 0);
}

/** What was sent since the last call. */
export async function beaten(): Promise<Beaten> {
  if (failure) throw failure;
  const sorted = took.sort((a, b) => a - b);
  const percentile = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
  const told = {
    heartbeats: sorted.length,
    attempts: sentAttempts,
    p50_ms: percentile(0.5),
    p99_ms: percentile(0.99),
  };
  [took, sentAttempts] = [[], 0];
  return told;
}

export async function stopFleet(): Promise<void> {
  clearInterval(timer);
  for (const { node } of runners) node.connection.close();
  runners = [];
}

async function fillSlots(node: SimulatedNode, slots: number): Promise<Runner> {
  const attempts: { job_id: string; lease_token: number }[] = [];
  while (attempts.length < slots) {
    const { jobs } = await node.connection.call<{ jobs: { job: { id: string }; lease_token: number }[] }>(
      `/api/v1/nodes/${node.id}/claim`,
      { claim_id: randomUUID(), max_jobs: slots - attempts.length, wait_seconds: 10 },
    );
    if (jobs.length === 0) throw new Error('no job was left for a node with free slots');
    attempts.push(...jobs.map(({ job, lease_token }) => ({ job_id: job.id, lease_token })));
  }
  return { node, attempts, isWaiting: false };
}

async function beat(runner: Runner, nth: number): Promise<void> {
  if (runner.isWaiting) throw new Error(`a heartbeat was not answered within ${INTERVAL} ms`);
  runner.isWaiting = true;
  const sent = performance.now();
  const answer = await runner.node.connection.call<{ attempts: { lease: string }[] }>(
    `/api/v1/nodes/${runner.node.id}/heartbeat`,
    {
      attempts: runner.attempts.map((attempt, k) => ({
        ...attempt,
        ...(nth === 0 && { started: true }),
        progress: Math.min(100, nth * 0.5 + k * 0.01),
        fps: 24 + k,
        speed: 1 + k / 10,
      })),
      cpu_load_percent: 50,
      ram_free_bytes: 1 << 30,
    },
  );
  took.push(performance.now() - sent);
  sentAttempts += runner.attempts.length;
  runner.isWaiting = false;
  const lost = answer.attempts.filter(({ lease }) => lease !== 'extended').length;
  if (lost > 0) throw new Error(`${lost} attempts of a node were lost in its heartbeat ${nth}`);
}
