/** Workers that hang up, on a whole master over real sockets (F24: whose answer never arrived). */
import { randomUUID } from 'node:crypto';
import { request, type ClientRequest } from 'node:http';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { Settings } from '../config/settings.js';
import { startMaster, type RunningMaster } from './start-master.js';

const KEY = 'a key for workers that hang up';
const db = useDatabase();
let master: RunningMaster;
let node: string;

beforeAll(async () => {
  const settings = Object.assign(new Settings(), { master_api_key: KEY });
  Object.assign(settings.api, { host: '127.0.0.1', port: 0 });
  settings.metrics.port = 0;
  Object.assign(settings.database, {
    type: 'postgres',
    dsn: db.poolDsn,
    direct_dsn: db.dsn,
    migrate_dsn: db.dsn,
  });
  master = await startMaster(settings, pino({ level: 'silent' }));
});

afterAll(() => master.stop());

beforeEach(async () => {
  await db.pool.query('TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_events');
  await db.pool.query('UPDATE ffmpeg_master.node_counters SET running = 0');
  node = await register();
});

describe('a worker that hangs up', () => {
  it('while its claim is parked gets no job', async () => {
    const cut = open(`/api/v1/nodes/${node}/claim`, {
      claim_id: randomUUID(),
      max_jobs: 1,
      wait_seconds: 60,
    });
    await eventually(async () => expect(await waiting()).toBe(1));
    cut.destroy();
    await eventually(async () => expect(await waiting()).toBe(0));

    const job = await post('/api/v1/jobs', { scenario: 'test' });
    expect(await claim(await register())).toEqual([job.id]);
    expect(await events(job.id)).toEqual(['submitted', 'assigned']);
  });

  it('while its claim is in flight: the job is taken back at once, and may be had by the same claim id (F24)', async () => {
    const job = await post('/api/v1/jobs', { scenario: 'test' });
    const claim_id = randomUUID();
    await whileLocked(
      'SELECT 1 FROM ffmpeg_master.node_counters WHERE node_id = $1 FOR UPDATE',
      node,
      async () => {
        const cut = open(`/api/v1/nodes/${node}/claim`, { claim_id, max_jobs: 1, wait_seconds: 0 });
        await somebodyWaits();
        cut.destroy();
      },
    );
    await eventually(async () => expect(await events(job.id)).toEqual(['submitted', 'assigned', 'released']));
    await eventually(async () => expect(await claim(node, claim_id)).toEqual([job.id]));
  });

  it('while its report is in flight: the report counts, and the claim that rode in it gets no job', async () => {
    const done = await post('/api/v1/jobs', { scenario: 'test' });
    const {
      jobs: [attempt],
    } = await post(`/api/v1/nodes/${node}/claim`, { claim_id: randomUUID(), max_jobs: 1 });
    const next = await post('/api/v1/jobs', { scenario: 'test' });
    await whileLocked('SELECT 1 FROM ffmpeg_master.jobs WHERE id = $1 FOR UPDATE', done.id, async () => {
      const cut = open(`/api/v1/nodes/${node}/report`, {
        results: [{ job_id: done.id, lease_token: attempt.lease_token, status: 'completed' }],
        claim: { claim_id: randomUUID(), max_jobs: 1 },
      });
      await somebodyWaits();
      cut.destroy();
    });
    await eventually(async () => expect(await events(done.id)).toContain('completed'));
    // It may be given to the dead connection for a moment, and is taken back.
    await eventually(async () => expect(await claim(node)).toEqual([next.id]));
  });
});

/** Sends a request whose answer nobody will read. */
function open(path: string, body: unknown): ClientRequest {
  const sent = request(`${master.url}${path}`, { method: 'POST', headers: headers(), agent: false });
  sent.on('error', () => undefined);
  sent.end(JSON.stringify(body));
  return sent;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test knows what it asked for
async function post(path: string, body: unknown): Promise<any> {
  const response = await fetch(`${master.url}${path}`, {
    method: 'POST',
    headers: headers(),
    body: JSON.stringify(body),
  });
  expect(response.ok, `${path}: ${response.status}`).toBe(true);
  return response.json();
}

const headers = () => ({ authorization: `Bearer ${KEY}`, 'content-type': 'application/json' });

async function register(): Promise<string> {
  const { id } = await post('/api/v1/nodes', {
    name: `node-${randomUUID()}`,
    instance_id: randomUUID(),
    slots: 2,
    cpu_threads: 4,
    cpu_model: 'test',
    ram_total_bytes: 1,
    gpus: [],
    encoders: ['libx264'],
    engines: ['ffmpeg'],
    ffmpeg_version: '7',
    labels: {},
  });
  return id;
}

async function claim(by: string, claim_id: string = randomUUID()): Promise<string[]> {
  const { jobs } = await post(`/api/v1/nodes/${by}/claim`, { claim_id, max_jobs: 1, wait_seconds: 0 });
  return jobs.map(({ job }: { job: { id: string } }) => job.id);
}

async function waiting(): Promise<number> {
  const text = await (await fetch(`${master.metricsUrl}/metrics`)).text();
  return Number(/^ffrtmp_claims_waiting (\d+)$/m.exec(text)?.[1]);
}

async function events(job_id: string): Promise<string[]> {
  const { rows } = await db.pool.query(
    'SELECT type FROM ffmpeg_master.job_events WHERE job_id = $1 ORDER BY n',
    [job_id],
  );
  return rows.map((row) => row.type);
}

/** Runs `work` while another session holds what `sql` locks. */
async function whileLocked(sql: string, id: string, work: () => Promise<void>): Promise<void> {
  const client = await db.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(sql, [id]);
    await work();
  } finally {
    await client.query('COMMIT');
    client.release();
  }
}

/** Until a session of this database waits for a lock. */
async function somebodyWaits(): Promise<void> {
  await eventually(async () => {
    const { rows } = await db.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(rows).not.toEqual([]);
  });
}
