/**
 * The routes of ffmpeg-rtmp, answer by answer: what a whole master says to its agents and its CLI is written down in
 * test/ffrtmp/golden, headers included.
 */
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { Transcript } from './transcript.js';
import { startMaster, type RunningMaster } from '../../src/api/start-master.js';
import { Settings } from '../../src/config/settings.js';

const KEY = 'a key for the tests of the old routes';
const REGISTRATION = {
  address: 'encoder-7',
  type: 'server',
  cpu_threads: 16,
  cpu_model: 'AMD EPYC',
  has_gpu: false,
  ram_total_bytes: 68_719_476_736,
  labels: { os: 'linux', arch: 'amd64', node_type: 'server' },
};
const JSON_TYPE = { 'content-type': 'application/json' };

const db = useDatabase();
let master: RunningMaster;
let wire: Transcript;

beforeAll(async () => {
  const settings = new Settings();
  settings.master_api_key = KEY;
  Object.assign(settings.database, { dsn: db.poolDsn, direct_dsn: db.dsn, migrate_dsn: db.dsn });
  settings.api.host = '127.0.0.1';
  settings.api.port = 0;
  settings.metrics.port = 0;
  // What fails waits for its next attempt as long as these tests look at it.
  settings.retry.initial_backoff = 600_000;
  settings.retry.max_backoff = 600_000;
  master = await startMaster(settings, pino({ level: 'silent' }));
});
afterAll(() => master.stop());
beforeEach(async () => {
  wire = new Transcript(master.url, KEY);
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
       ffmpeg_master.job_logs, ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
  );
  await db.pool.query('ALTER SEQUENCE ffmpeg_master.job_sequence_numbers RESTART');
});
afterEach(() => wire.close());

const body = (value: object) => ({ body: JSON.stringify(value), headers: JSON_TYPE });
const parsed = ({ text }: { text: string }) => JSON.parse(text) as Record<string, unknown>;

async function register(registration: object = REGISTRATION): Promise<string> {
  return parsed(await wire.send('POST', '/nodes/register', body(registration))).id as string;
}
async function submit(job: object = { scenario: '720p-h264' }): Promise<string> {
  return parsed(await wire.send('POST', '/jobs', body(job))).id as string;
}
const next = async (node: string) =>
  parsed(await wire.send('GET', `/jobs/next?node_id=${node}`)).job as { id: string } | null;

/** The attempt begins by itself, once its answer has been read for sure. */
const begun = (job: string) =>
  eventually(async () => {
    const { rows } = await db.pool.query(
      'SELECT clock_from IS NOT NULL AS begun FROM ffmpeg_master.leases WHERE job_id = $1',
      [job],
    );
    expect(rows).toEqual([{ begun: true }]);
  });

const golden = (name: string) =>
  expect(wire.text()).toMatchFileSnapshot(join(import.meta.dirname, `golden/${name}.http`));

describe('golden answers', () => {
  it('of nodes', async () => {
    wire.note('No node is there.');
    await wire.send('GET', '/nodes');
    wire.note('A new one, then another of the same name while the first is heard of.');
    const id = await register();
    await register();
    await register({ ...REGISTRATION, address: 'gpu-1', has_gpu: true, gpu_type: 'NVIDIA L4' });
    await wire.send('GET', '/nodes');
    await wire.send('GET', `/nodes/${id}`);
    wire.note('One that comes back, as after its restart, and is known; then it is removed.');
    const back = await register({ ...REGISTRATION, address: 'encoder-8' });
    await db.pool.query(
      `UPDATE ffmpeg_master.node_presence SET seen_at = seen_at - interval '10 min' WHERE node_id = $1`,
      [back],
    );
    await register({ ...REGISTRATION, address: 'encoder-8' });
    await wire.send('DELETE', `/nodes/${back}`);
    await wire.send('GET', `/nodes/${back}`);
    wire.note('A heartbeat as the agent sends it, and one without a type.');
    await wire.send('POST', `/nodes/${id}/heartbeat`, { headers: JSON_TYPE });
    await wire.send('POST', `/nodes/${id}/heartbeat`);
    wire.note('A node with a job.');
    await submit();
    await next(id);
    await wire.send('GET', `/nodes/${id}`);
    await wire.send('DELETE', `/nodes/${id}`);
    wire.note('Nodes that are not there.');
    const unknown = '00000000-0000-4000-8000-000000000000';
    for (const other of [unknown, 'node-1']) {
      await wire.send('GET', `/nodes/${other}`);
      await wire.send('DELETE', `/nodes/${other}`);
      await wire.send('POST', `/nodes/${other}/heartbeat`, { headers: JSON_TYPE });
      await wire.send('GET', `/jobs/next?node_id=${other}`);
    }
    await golden('nodes');
  });

  it('of jobs', async () => {
    wire.note('No job is there.');
    await wire.send('GET', '/jobs');
    wire.note('Submits: the least, and all fields; what means nothing is taken for the default.');
    const first = await submit({});
    const second = await submit({
      scenario: '4K60-h264',
      confidence: 'high',
      engine: 'ffmpeg',
      classification: 'production',
      parameters: { duration: 60, bitrate: '10M', note: 'anything' },
      queue: 'live',
      priority: 'high',
    });
    await submit({ scenario: 'x', queue: 'no queue!', priority: 'urgent', confidence: 'sure' });
    await wire.send('GET', '/jobs');
    await wire.send('GET', `/jobs/${second}`);
    await wire.send('GET', '/jobs/1');
    await wire.send('GET', `/jobs/${first}/logs`);
    wire.note('Pause, resume, cancel, as the CLI sends them: no body, no type.');
    for (const verb of ['pause', 'resume', 'resume', 'cancel', 'cancel', 'pause', 'retry', 'retry'])
      await wire.send('POST', `/jobs/${first}/${verb}`);
    await wire.send('GET', `/jobs/${first}`);
    wire.note('Jobs that are not there.');
    for (const path of [
      '/jobs/00000000-0000-4000-8000-000000000000',
      '/jobs/999',
      '/jobs/3ac5',
      '/jobs/x/logs',
    ])
      await wire.send('GET', path);
    for (const verb of ['pause', 'resume', 'cancel', 'retry']) await wire.send('POST', `/jobs/999/${verb}`);
    await golden('jobs');
  });

  it('of an agent at work', async () => {
    const node = await register();
    wire.note('Nothing to do.');
    await next(node);
    wire.note('A job, what it looks like while it runs, and its result.');
    const done = await submit();
    await next(node);
    await begun(done);
    await wire.send('GET', `/jobs/${done}`);
    wire.note('As its agent looks at it every 5 s.');
    await wire.send('GET', `/api/v1/jobs/${done}`, { headers: JSON_TYPE });
    wire.note('Paused and resumed while it runs, which its agent does not hear of.');
    for (const verb of ['pause', 'resume']) {
      await wire.send('POST', `/jobs/${done}/${verb}`);
      await wire.send('GET', `/jobs/${done}`);
    }
    const result = {
      job_id: done,
      node_id: node,
      status: 'completed',
      metrics: { duration: 12.5, encoding_fps: '30.1', frames_encoded: '300' },
      analyzer_output: { scenario: '720p-h264', exec_duration: 12.5 },
      logs: 'ffmpeg -i in.mp4 out.mp4\nframe= 300\n',
      completed_at: '2026-01-07T10:00:00.123456789+02:00',
    };
    await wire.send('POST', '/results', body(result));
    wire.note('The same again, as after a lost answer.');
    await wire.send('POST', '/results', body(result));
    await wire.send('GET', `/jobs/${done}/logs`);
    wire.note('What is completed is not canceled.');
    await wire.send('POST', `/jobs/${done}/cancel`);
    wire.note('One that fails: it will be tried again, and its error is in the place of a log.');
    const failed = await submit({ scenario: 'fails' });
    await next(node);
    const failure = { job_id: failed, node_id: node, status: 'failed', error: 'ffmpeg: exit status 1' };
    await wire.send('POST', '/results', body(failure));
    await wire.send('POST', '/results', body(failure));
    await wire.send('GET', `/jobs/${failed}/logs`);
    wire.note('One that fails for the last time, and the same again.');
    const last = await submit({ scenario: 'fails' });
    await db.pool.query('UPDATE ffmpeg_master.jobs SET max_retries = 0 WHERE id = $1', [last]);
    await next(node);
    await wire.send('POST', '/results', body({ ...failure, job_id: last }));
    await wire.send('POST', '/results', body({ ...failure, job_id: last }));
    await wire.send('GET', `/jobs/${last}`);
    wire.note('One that is canceled: what its agent hears, and both ways in which it may report that.');
    for (const status of ['canceled', 'failed']) {
      const canceled = await submit({ scenario: 'long' });
      await next(node);
      await wire.send('POST', `/jobs/${canceled}/cancel`);
      await wire.send('GET', `/api/v1/jobs/${canceled}`, { headers: JSON_TYPE });
      await wire.send('POST', '/results', body({ ...failure, job_id: canceled, status }));
      await wire.send('GET', `/jobs/${canceled}`);
    }
    wire.note('One whose agent stops by itself.');
    const stopped = await submit({ scenario: 'long' });
    await next(node);
    await wire.send('POST', '/results', body({ job_id: stopped, node_id: node, status: 'canceled' }));
    await wire.send('GET', `/jobs/${stopped}`);
    wire.note('Results of a job that is not there, of another node, without any sense.');
    await wire.send('POST', '/results', body({ ...result, job_id: '00000000-0000-4000-8000-000000000000' }));
    await wire.send('POST', '/results', body({ ...result, node_id: 'another' }));
    await wire.send('POST', '/results', body({ ...result, status: 'banana' }));
    await golden('agent');
  });

  it('of errors', async () => {
    wire.note('Bodies that are no JSON, or not what they should be.');
    for (const [path, sent] of [
      ['/nodes/register', '{'],
      ['/nodes/register', '{"cpu_threads":"16"}'],
      ['/jobs', ''],
      ['/jobs', '[]'],
      ['/jobs', '{"scenario":1}'],
      ['/jobs', '{"scenario":"x","engine":"vlc"}'],
      ['/results', 'null'],
    ] as const)
      await wire.send('POST', path, { body: sent, headers: JSON_TYPE });
    wire.note('A poll that names no node.');
    await wire.send('GET', '/jobs/next');
    await wire.send('GET', '/jobs/next?node_id=');
    wire.note('No key, a wrong one, the header that the documents name.');
    await wire.send('GET', '/jobs', { key: null });
    await wire.send('GET', '/jobs', { key: 'wrong' });
    await wire.send('GET', '/jobs', { key: null, headers: { 'x-api-key': KEY } });
    wire.note('No such path, no such method: before the key.');
    await wire.send('GET', '/nothing', { key: null });
    await wire.send('GET', '/v1/jobs');
    await wire.send('PUT', '/jobs', { key: null });
    await wire.send('DELETE', '/results', { key: null });
    wire.note('Tenants.');
    await wire.send('GET', '/tenants');
    await wire.send('POST', '/tenants', body({ name: 'acme', plan: 'pro' }));
    for (const path of ['/tenants/acme', '/tenants/acme/stats', '/tenants/acme/jobs', '/tenants/acme/nodes'])
      await wire.send('GET', path);
    await wire.send('PUT', '/tenants/acme', body({}));
    await wire.send('DELETE', '/tenants/acme');
    wire.note('Health, of this port.');
    await wire.send('GET', '/health', { key: null });
    await golden('errors');
  });

  it('of a master whose database fails', async () => {
    const tables = ['jobs', 'job_history', 'nodes', 'leases'];
    const rename = async (from: string, to: string) => {
      for (const table of tables)
        await db.pool.query(`ALTER TABLE ffmpeg_master.${table}${from} RENAME TO ${table}${to}`);
    };
    const id = '00000000-0000-4000-8000-000000000000';
    await rename('', '_away');
    try {
      await wire.send('POST', '/nodes/register', body(REGISTRATION));
      await wire.send('POST', '/jobs', body({ scenario: 'x' }));
      await wire.send('POST', '/results', body({ job_id: id, node_id: id, status: 'completed' }));
      for (const path of [
        '/nodes',
        `/nodes/${id}`,
        `/jobs/next?node_id=${id}`,
        `/jobs/${id}`,
        `/jobs/${id}/logs`,
      ])
        await wire.send('GET', path);
      await wire.send('POST', `/nodes/${id}/heartbeat`, { headers: JSON_TYPE });
      await wire.send('DELETE', `/nodes/${id}`);
      for (const verb of ['pause', 'resume', 'cancel', 'retry'])
        await wire.send('POST', `/jobs/${id}/${verb}`);
    } finally {
      await rename('_away', '');
    }
    await golden('failures');
  });
});
