/** Workers with one slot each that wait for work at their masters, and what a job on its way to them meets. */
import { randomUUID } from 'node:crypto';
import { Connection } from './connection.js';
import { type Fleet, register, type SimulatedNode } from './nodes.js';
import { type Pace, StartTimes } from './start-times.js';

/** As long as a worker asks its master to keep the claim. */
const WAIT_SECONDS = 30;

/** Between two heartbeats of a worker, in milliseconds. */
const HEARTBEAT_INTERVAL = 10_000;

interface Given {
  readonly job: { readonly id: string };
  readonly lease_token: number;
}

let fleet: SimulatedNode[] = [];
let clients: Clients;
let times = new StartTimes();
let failure: Error | undefined;
/** Workers hold their jobs until it resolves, then report them. */
let finishing: Promise<void> = Promise.resolve();
let finish = () => undefined as void;
let beating: NodeJS.Timeout | undefined;

/** Registers the workers and parks them all. */
export async function park(options: Omit<Fleet, 'slots'>): Promise<void> {
  fleet = await register({ ...options, slots: 1 });
  clients = new Clients(options.urls, options.key);
  for (const node of fleet) void work(node).catch((error: Error) => (failure ??= error));
}

/** Milliseconds from a submit to its worker's start; each submit goes to any of the masters. */
export async function latency(pace: Pace): Promise<number[]> {
  times = new StartTimes();
  const taken = await times.sample(pace, async () => {
    const { id } = await clients.call<{ id: string }>('/api/v1/jobs', { scenario: 'bench' });
    return id;
  });
  if (failure) throw failure;
  return taken;
}

/** Milliseconds from the submit of one batch to the last start. The workers hold the jobs until `report`. */
export async function burst({ jobs }: { jobs: number }): Promise<number> {
  times = new StartTimes();
  finishing = new Promise((resolve) => (finish = resolve));
  const body = { jobs: Array.from({ length: jobs }, () => ({ scenario: 'bench' })) };
  const sent = performance.now();
  const made = await clients.call<{ jobs: { id: string }[] }>('/api/v1/jobs/batch', body);
  const last = await times.last(
    made.jobs.map(({ id }) => id),
    sent,
  );
  if (failure) throw failure;
  return last;
}

/** Lets the workers report what they hold and park again. */
export async function report(): Promise<void> {
  finish();
}

/** Heartbeats of all workers, spread evenly, on connections of their own. */
export async function beatIdly(on: boolean): Promise<void> {
  clearInterval(beating);
  if (failure) throw failure;
  if (!on) return;
  let next = 0;
  beating = setInterval(() => {
    const { id } = fleet[next++ % fleet.length] as SimulatedNode;
    clients
      .call(`/api/v1/nodes/${id}/heartbeat`, { attempts: [], cpu_load_percent: 0 })
      .catch((error: Error) => (failure ??= error));
  }, HEARTBEAT_INTERVAL / fleet.length);
}

async function work({ id, connection }: SimulatedNode): Promise<never> {
  for (;;) {
    const { jobs } = await connection.call<{ jobs: Given[] }>(`/api/v1/nodes/${id}/claim`, {
      claim_id: randomUUID(),
      max_jobs: 1,
      wait_seconds: WAIT_SECONDS,
    });
    for (const { job } of jobs) times.started(job.id);
    if (jobs.length === 0) continue;
    await finishing;
    const results = jobs.map(({ job, lease_token }) => ({
      job_id: job.id,
      lease_token,
      status: 'completed',
    }));
    await connection.call(`/api/v1/nodes/${id}/report`, { results });
  }
}

/** Milliseconds that a connection may be unused: a master closes it after 72 s. */
const UNUSED = 30_000;

/** Kept-alive connections of clients: as many as are needed at once. */
class Clients {
  private readonly idle = new Map<string, { connection: Connection; since: number }[]>();

  constructor(
    private readonly urls: readonly string[],
    private readonly key: string,
  ) {}

  /** At any of the masters. */
  async call<Body>(path: string, body: unknown): Promise<Body> {
    const url = this.urls[Math.floor(Math.random() * this.urls.length)] as string;
    const idle = this.idle.get(url) ?? [];
    this.idle.set(url, idle);
    while (performance.now() - (idle[0]?.since ?? Infinity) > UNUSED) idle.shift()?.connection.close();
    const connection = idle.pop()?.connection ?? new Connection(url, this.key);
    const answer = await connection.call<Body>(path, body);
    idle.push({ connection, since: performance.now() });
    return answer;
  }
}
