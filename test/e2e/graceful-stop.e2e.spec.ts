/**
 * I12 on real processes: a leader is told to stop while a worker waits in a parked claim and a submit is in
 * flight, held by a row that another transaction has written and not yet committed.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ClaimAnswer } from '../../src/protocol/claim.js';
import { eventually } from '../support/eventually.js';
import { call, type Answer } from './support/api.js';
import { Cluster } from './support/cluster.js';
import { KEY, type MasterProcess } from './support/master-process.js';

/** Milliseconds from the signal to the next leader; asserted at three times on the median. */
const RESIGN_BOUND = 200;
const REPEATS = 5;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ masters: 2 });
});
afterAll(() => cluster.stop());

it('finishes what is in flight, lets parked claims go, hands leadership on and exits with 0 (I12)', async () => {
  const times: number[] = [];
  for (let round = 0; round < REPEATS; round += 1) {
    times.push(await stopTheLeader());
    await cluster.addMaster();
  }
  const median = [...times].sort((a, b) => a - b)[Math.floor(REPEATS / 2)] ?? NaN;
  const shown = times.map((time) => time.toFixed(0)).join(', ');
  console.log(
    `SIGTERM to the next leader, with requests in flight: median ${median.toFixed(0)} ms of ${shown}`,
  );
  expect(median).toBeLessThanOrEqual(3 * RESIGN_BOUND);
  expect(await cluster.verify()).toMatchObject({ status: 0 });
});

/** Answers the milliseconds until another master led. */
async function stopTheLeader(): Promise<number> {
  const leader = await cluster.leader();
  const parked = await park(leader);
  const submit = await heldSubmit(leader);

  const told = performance.now();
  leader.program.child.kill('SIGTERM');
  const next = nextLeader(leader).then(() => performance.now() - told);
  expect(await parked.answer).toEqual({ status: 200, body: { jobs: [] } });
  // No balancer sends it anything more: it says 503, or takes no connection at all.
  await eventually(async () => expect(await readiness(leader)).not.toBe(200));
  const time = await next;
  // All of that while the request was still in flight.
  expect(submit.answered()).toBe(false);
  expect(leader.program.running).toBe(true);

  await submit.release();
  const { status, body } = await submit.answer;
  expect(status).toBe(201);
  expect(await leader.program.exit()).toBe(0);
  expect(await cluster.query('SELECT FROM ffmpeg_master.jobs WHERE id = $1', [body.id])).toHaveLength(1);
  // Nothing of it is left for the next claim to find.
  await cluster.api(`/jobs/${body.id}/cancel`, {});
  return time;
}

/** A claim that waits. */
async function park(master: MasterProcess): Promise<{ answer: Promise<Answer<ClaimAnswer>> }> {
  const { body: node } = await cluster.api<{ id: string }>(
    '/nodes',
    {
      name: `parked-${randomUUID()}`,
      instance_id: randomUUID(),
      slots: 2,
      cpu_threads: 2,
      cpu_model: 'simulated',
      ram_total_bytes: 1,
      gpus: [],
      encoders: [],
      // Where no job comes: it waits whatever is submitted meanwhile.
      queues: ['nothing-comes-here'],
      engines: ['ffmpeg'],
      ffmpeg_version: 'none',
      labels: {},
    },
    master,
  );
  const answer = call<ClaimAnswer>(`${master.url}/api/v1/nodes/${node.id}/claim`, {
    key: KEY,
    body: { claim_id: randomUUID(), max_jobs: 2, wait_seconds: 60 },
  });
  await eventually(async () => {
    const { body } = await call<string>(`${master.metricsUrl}/metrics`);
    expect(body).toMatch(/^ffrtmp_claims_waiting [1-9]/m);
  });
  return { answer };
}

interface HeldSubmit {
  readonly answer: Promise<Answer<{ id: string }>>;
  answered(): boolean;
  release(): Promise<void>;
}

async function heldSubmit(master: MasterProcess): Promise<HeldSubmit> {
  const key = randomUUID();
  const holder = new pg.Client({ connectionString: cluster.postgres.dsn });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(
    `INSERT INTO ffmpeg_master.idempotency_keys (tenant_id, route, key, body_hash, job_ids)
     VALUES ('default', 'POST /jobs', $1, '', '{}')`,
    [key],
  );
  const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  let answered = false;
  const answer = call<{ id: string }>(`${master.url}/api/v1/jobs`, {
    key: KEY,
    headers: { 'idempotency-key': key },
    body: { scenario: '720p-h264', parameters: { duration: 1 } },
  }).finally(() => (answered = true));
  // The fault has happened: the submit's statement waits for the holder.
  await eventually(async () => {
    const waiting = await cluster.query(
      'SELECT FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))',
      [rows[0]?.pid],
    );
    expect(waiting).toHaveLength(1);
  });
  const release = async () => {
    await holder.query('ROLLBACK');
    await holder.end();
  };
  return { answer, answered: () => answered, release };
}

function nextLeader(but: MasterProcess): Promise<MasterProcess> {
  const others = cluster.masters.filter((master) => master !== but && master.program.running);
  return eventually(
    async () => {
      for (const master of others) {
        if ((await call(`${master.url}/health/leader`)).status === 200) return master;
      }
      throw new Error('no other master leads');
    },
    { within: 10_000, every: 5 },
  );
}

/** The status; undefined where nobody takes the connection. */
async function readiness(master: MasterProcess): Promise<number | undefined> {
  const answer = await call(`${master.url}/health/ready`).catch(() => undefined);
  return answer?.status;
}
