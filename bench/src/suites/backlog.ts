/**
 * What a claim costs the server with a million jobs about, over the same with a thousand. A small and a big
 * database, each with a master of its own, are claimed from alternately, ten jobs a claim; both are topped up
 * after each turn, so that both sizes stay, and both see the same changes. The caches are warm.
 */
import { randomUUID } from 'node:crypto';
import { Connection } from '../load/connection.js';
import { type Fleet, register, type SimulatedNode } from '../load/nodes.js';
import { KEY, Masters } from '../rig/masters.js';
import type { BenchPostgres } from '../rig/postgres.js';
import { type Pattern, Stock } from '../rig/stock.js';
import type { Bench, Suite } from '../suite.js';

const SIZES = { small: 1_000, big: 1_000_000 } as const;
type Size = keyof typeof SIZES;
const SIDES = ['small', 'big'] as const;

const TENANTS = 1_000;

/**
 * Jobs that wait to be served beside the million that is not. They are submitted over HTTP, as the last of each
 * million are: of what SQL adds a master knows no number.
 */
const BESIDE = 1_000;

/** Jobs in one claim. */
const CLAIM = 10;

/** Pages of a list, and jobs in each. */
const PAGES = 15;
const PAGE = 50;

/** Claims of each size in one turn. */
const CLAIMS = 10;

/** Turns that only warm caches and plans. */
const WARM_UP = 3;

/** ClaimJobs, told from all others by what it writes: nothing is submitted while a turn is taken. */
const CLAIM_JOBS = 'INSERT INTO ffmpeg_master\\.leases';

const BOUND = 1.3;

/** One of the two databases. */
interface Side {
  readonly size: Size;
  readonly dsn: string;
  readonly masters: Masters;
  readonly stock: Stock;
}

/** Who claims, and how as much is made to wait again. */
interface Lane {
  readonly serves: Pick<Fleet, 'queues' | 'labels'>;
  refill(jobs: number): Promise<void>;
}

export const backlog: Suite = {
  name: 'backlog',
  about: 'server time of a claim with a million jobs about, over a thousand',
  async run(bench) {
    const postgres = await bench.postgres();
    await inLanesOfOneTenant(bench, postgres);
    await amongTenants(bench, postgres);
    await withHistory(bench, postgres);
  },
};

/** The heap is served, may not be served, and is paused: one fill for three cases. */
async function inLanesOfOneTenant(bench: Bench, postgres: BenchPostgres): Promise<void> {
  const sides = await openSides(bench, postgres);
  const labels = { kind: 'heap' };
  const lanes = await each(sides, async ({ size, masters, stock }) => {
    const heapJob = { queue: 'heap', requirements: { labels } };
    const heap = await submitPattern(masters, stock, heapJob);
    await timed(bench, `${SIZES[size]} in one lane`, () => stock.add(heap, SIZES[size] - BESIDE));
    await submit(masters, BESIDE, heapJob);
    await submit(masters, BESIDE, {});
    const refill = (jobs: number) => submit(masters, jobs, heapJob);
    const refillBeside = (jobs: number) => submit(masters, jobs, {});
    return {
      waiting: { serves: { queues: ['heap'], labels }, refill },
      foreign_lane: { serves: {}, refill: refillBeside },
      paused: { serves: { labels }, refill: refillBeside },
    };
  });
  await settle(postgres, sides);
  await listPages(bench, sides);
  await compare(bench, postgres, 'waiting', sides, { small: lanes.small.waiting, big: lanes.big.waiting });
  await compare(bench, postgres, 'foreign_lane', sides, {
    small: lanes.small.foreign_lane,
    big: lanes.big.foreign_lane,
  });
  await each(sides, ({ masters }) => post(masters, '/api/v1/queues/heap/pause'));
  await compare(bench, postgres, 'paused', sides, { small: lanes.small.paused, big: lanes.big.paused });
  await closeSides(postgres, sides);
}

/** Pages of GET /jobs, each from where the last one ended. */
async function listPages(bench: Bench, sides: Record<Size, Side>): Promise<void> {
  const cursors: Record<Size, string> = { small: '', big: '' };
  for (let page = -WARM_UP; page < PAGES; page += 1) {
    for (const size of SIDES) {
      const began = performance.now();
      const response = await fetch(
        `${sides[size].masters.urls[0]}/api/v1/jobs?status=queued&limit=${PAGE}${cursors[size]}`,
        { headers: { authorization: `Bearer ${KEY}` } },
      );
      const { items, next_cursor } = (await response.json()) as {
        items: object[];
        next_cursor: string | null;
      };
      if (page >= 0) bench.add(`list.${size}.page`, 'ms', performance.now() - began);
      if (items.length !== PAGE) throw new Error(`a page of ${items.length} jobs instead of ${PAGE}`);
      cursors[size] = next_cursor === null ? '' : `&cursor=${encodeURIComponent(next_cursor)}`;
    }
  }
}

/** A thousand tenants: with one job each, and with a thousand each. */
async function amongTenants(bench: Bench, postgres: BenchPostgres): Promise<void> {
  const sides = await openSides(bench, postgres);
  const lanes = await each(sides, async ({ size, masters, stock }) => {
    const pattern = await submitPattern(masters, stock, {});
    const all = [pattern.lane_id, ...(await stock.lanesOfTenants(pattern, TENANTS - 1))];
    await timed(bench, `${SIZES[size]} among ${TENANTS} tenants`, () => stock.add(pattern, SIZES[size], all));
    const refill = async (jobs: number) => {
      const empty = await stock.emptyLanes(all);
      await stock.add(pattern, empty.length || jobs, empty.length > 0 ? empty : all);
    };
    return { serves: {}, refill };
  });
  await settle(postgres, sides);
  await compare(bench, postgres, 'tenants', sides, lanes);
  await closeSides(postgres, sides);
}

async function withHistory(bench: Bench, postgres: BenchPostgres): Promise<void> {
  const sides = await openSides(bench, postgres);
  const lanes = await each(sides, async ({ size, masters, stock }) => {
    await submit(masters, BESIDE, {});
    const [done] = await claimAndReport(await nodeOf(masters), 1);
    const archived = await stock.keep('job_history', done as string);
    await timed(bench, `${SIZES[size]} in history`, () => stock.add(archived, SIZES[size]));
    return { serves: {}, refill: (jobs: number) => submit(masters, jobs, {}) };
  });
  await settle(postgres, sides);
  await compare(bench, postgres, 'history', sides, lanes);
  await closeSides(postgres, sides);
}

/** The claims of a turn alternate, so that both sizes meet the same noise; the ratio is that of the medians of turns. */
async function compare(
  bench: Bench,
  postgres: BenchPostgres,
  name: string,
  sides: Record<Size, Side>,
  lanes: Record<Size, Lane>,
): Promise<void> {
  const began = performance.now();
  const turns = bench.quick ? 10 : 30;
  const nodes = await each(sides, ({ size, masters }) => nodeOf(masters, lanes[size].serves));
  const read = () => each(sides, ({ dsn }) => postgres.statements(CLAIM_JOBS, dsn));
  for (let turn = -WARM_UP; turn < turns; turn += 1) {
    const before = await read();
    const jobs = { small: 0, big: 0 };
    for (let claim = 0; claim < CLAIMS; claim += 1) {
      for (const size of SIDES) jobs[size] += (await claimAndReport(nodes[size], CLAIM)).length;
    }
    const after = await read();
    await each(sides, ({ size }) => lanes[size].refill(jobs[size]));
    if (turn < 0) continue;
    for (const size of SIDES) {
      const us = (after[size].total_ms - before[size].total_ms) * 1000;
      bench.add(`${name}.${size}.us_per_job`, 'µs', us / jobs[size]);
      bench.add(`${name}.${size}.us_per_statement`, 'µs', us / (after[size].calls - before[size].calls));
      bench.add(`${name}.${size}.jobs_per_claim`, 'jobs', jobs[size] / CLAIMS);
    }
  }
  const [small, big] = [bench.median(`${name}.small.us_per_job`), bench.median(`${name}.big.us_per_job`)];
  bench.log(
    `${name}: ${small.toFixed(1)} µs a job with 1,000, ${big.toFixed(1)} with 1,000,000 (${since(began)} s)`,
  );
  bench.atMost(name, big / small, BOUND);
  await each(nodes, async ({ connection }) => connection.close());
}

/** Ids of the jobs that one claim was given, all of them reported. */
async function claimAndReport({ id, connection }: SimulatedNode, max_jobs: number): Promise<string[]> {
  const { jobs } = await connection.call<{ jobs: { job: { id: string }; lease_token: number }[] }>(
    `/api/v1/nodes/${id}/claim`,
    { claim_id: randomUUID(), max_jobs, wait_seconds: 10 },
  );
  if (jobs.length === 0) throw new Error('a claim came back empty');
  await connection.call(`/api/v1/nodes/${id}/report`, {
    results: jobs.map(({ job, lease_token }) => ({ job_id: job.id, lease_token, status: 'completed' })),
  });
  return jobs.map(({ job }) => job.id);
}

async function openSides(bench: Bench, postgres: BenchPostgres): Promise<Record<Size, Side>> {
  const open = async (size: Size): Promise<Side> => {
    const dsn = await postgres.database();
    const masters = await Masters.start(1, dsn);
    bench.atEnd(() => masters.stop());
    return { size, dsn, masters, stock: await Stock.open(dsn) };
  };
  return { small: await open('small'), big: await open('big') };
}

async function closeSides(postgres: BenchPostgres, sides: Record<Size, Side>): Promise<void> {
  await each(sides, async ({ dsn, masters, stock }) => {
    await stock.close();
    await masters.stop();
    await postgres.drop(dsn);
  });
}

/** Caches as of a server that has run for a while, and nothing of the fill left to write. */
async function settle(postgres: BenchPostgres, sides: Record<Size, Side>): Promise<void> {
  await each(sides, ({ stock }) => stock.settle());
  await postgres.admin('CHECKPOINT');
}

async function each<Of, Result>(
  sides: Record<Size, Of>,
  work: (side: Of) => Promise<Result>,
): Promise<Record<Size, Result>> {
  return { small: await work(sides.small), big: await work(sides.big) };
}

async function submitPattern(masters: Masters, stock: Stock, job: object): Promise<Pattern> {
  const { id } = await post<{ id: string }>(masters, '/api/v1/jobs', { scenario: 'bench', ...job });
  return stock.keep('jobs', id);
}

/** As masters know of what they were told to add: how much waits where. */
async function submit(masters: Masters, jobs: number, job: object): Promise<void> {
  await post(masters, '/api/v1/jobs/batch', {
    jobs: Array.from({ length: jobs }, () => ({ scenario: 'bench', ...job })),
  });
}

async function nodeOf({ urls }: Masters, serves: Lane['serves'] = {}): Promise<SimulatedNode> {
  const [node] = await register({ urls, key: KEY, workers: 1, slots: CLAIM, ...serves });
  return node as SimulatedNode;
}

async function post<Body>({ urls }: Masters, path: string, body: object = {}): Promise<Body> {
  const connection = new Connection(urls[0] as string, KEY);
  try {
    return await connection.call<Body>(path, body);
  } finally {
    connection.close();
  }
}

async function timed(bench: Bench, what: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await work();
  bench.log(`${what}: filled in ${since(began)} s`);
}

function since(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}
