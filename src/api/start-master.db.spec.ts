/** A whole master in this process, on a database of its own. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { Settings } from '../config/settings.js';
import { unusedSettings } from '../config/unused-settings.js';
import { Slots } from '../worker/slots.js';
import { WorkerMetrics } from '../worker/worker-metrics.js';
import { startMaster, type RunningMaster } from './start-master.js';

const KEY = 'a key for the tests of a master';
const server = useDatabase({ alone: true });
const silent = pino({ level: 'silent' });

let master: RunningMaster;
beforeAll(async () => (master = await start()));
afterAll(() => master.stop());

describe('a master', () => {
  it('answers its probes without a key', async () => {
    expect(await get('/health', {})).toMatchObject({
      status: 200,
      body: { status: 'healthy', database: 'up' },
    });
    expect(await get('/health/live', {})).toMatchObject({ status: 200, body: { status: 'alive' } });
    await eventually(async () => expect((await get('/health/leader', {})).status).toBe(200));
    await eventually(async () => {
      const ready = await get('/health/ready', {});
      expect(ready).toMatchObject({
        status: 200,
        body: {
          status: 'ok',
          details: {
            database: { status: 'up' },
            migrations: { status: 'up' },
            draining: { status: 'up' },
            listener: { status: 'up' },
          },
        },
      });
    });
  });

  it('serves metrics on a port of their own, with the names of docs/metrics.md', async () => {
    await get('/api/v1/jobs');
    const text = await (await fetch(`${master.metricsUrl}/metrics`)).text();
    for (const name of [
      'db_connections_open',
      'db_query_duration_seconds_bucket{le="0.0005",query="HealthPing"}',
      'ffrtmp_http_requests_total{method="GET",route="/api/v1/jobs",status="200"}',
      'ffrtmp_master_uptime_seconds',
      'ffrtmp_node_registrations_total{outcome="created"}',
      'nodejs_eventloop_lag_seconds',
    ]) {
      expect(text).toContain(name);
    }
    expect(await (await fetch(`${master.metricsUrl}/health`)).json()).toEqual({
      status: 'healthy',
      database: 'up',
    });
    expect((await fetch(`${master.metricsUrl}/api/v1/jobs`)).status).toBe(404);
  });

  it('exports what docs/metrics.md lists, and nothing else of its own', async () => {
    const text = await (await fetch(`${master.metricsUrl}/metrics`)).text();
    const exported = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name ?? '');
    const page = await readFile(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8');
    const listed = [...page.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name ?? '');
    const ours = exported.filter((name) => !/^(nodejs|process)_/.test(name));
    expect(ours.length).toBeGreaterThan(40);
    expect(listed.filter((name) => !name.startsWith('ffrtmp_worker_')).sort()).toEqual(ours.sort());
    const worker = new WorkerMetrics(new Slots(1), () => 0).registry
      .getMetricsAsArray()
      .map(({ name }) => name);
    expect(listed.filter((name) => name.startsWith('ffrtmp_worker_')).sort()).toEqual(worker.sort());
  });

  it('tells of the cluster, and resigns', async () => {
    await eventually(async () => {
      const { status, body } = await get('/api/v1/cluster');
      expect(status).toBe(200);
      expect(body).toMatchObject({
        leader: master.identity.id,
        masters: [{ id: master.identity.id, pid: process.pid, leader: true, listener: 'up' }],
      });
      expect(body.epoch).toBeGreaterThan(0);
    });
    expect(await send('POST', '/api/v1/cluster/resign')).toMatchObject({
      status: 200,
      body: { resigned: true },
    });
    expect((await get('/health/leader', {})).status).toBe(503);
    expect(await send('POST', '/api/v1/cluster/resign')).toMatchObject({ status: 409 });
  });

  it('registers, lists, drains and removes nodes over HTTP', async () => {
    const { status, body: node } = await send('POST', '/api/v1/nodes', registration('gpu'));
    expect([status, node.heartbeat_interval_seconds, node.lease_seconds]).toEqual([201, 10, 30]);
    expect(
      (await send('POST', '/api/v1/nodes', { ...registration('gpu'), instance_id: node.id })).status,
    ).toBe(201);
    expect(await get(`/api/v1/nodes/${node.id}`)).toMatchObject({ status: 200, body: { name: 'gpu' } });
    const shouted = await get(`/api/v1/nodes/${node.id.toUpperCase()}`);
    expect(shouted).toMatchObject({ status: 200, body: { id: node.id } });
    expect((await get('/api/v1/nodes/gpu')).status).toBe(404);
    expect((await get('/api/v1/nodes?limit=1')).body).toMatchObject({
      items: [{ name: 'gpu' }],
      next_cursor: node.id,
    });
    expect((await send('POST', `/api/v1/nodes/${node.id}/drain`)).body.status).toBe('draining');
    expect((await send('POST', `/api/v1/nodes/${node.id}/resume`)).body.status).toBe('online');
    expect((await send('DELETE', `/api/v1/nodes/${node.id}`)).status).toBe(204);
    expect((await get(`/api/v1/nodes/${node.id}`)).status).toBe(404);
    expect((await get('/api/v1/nodes?status=asleep')).body.errors[0].path).toBe('status');
  });

  it('streams events of all jobs and of one, from the first to the last', async () => {
    const all = await stream('/api/v1/events?tag=streamed');
    await eventually(() => expect(all.text).toContain('id: '));
    const { body: other } = await send('POST', '/api/v1/jobs', { scenario: '720p-h264' });
    const { body: job } = await send('POST', '/api/v1/jobs', { scenario: '720p-h264', tags: ['streamed'] });
    const one = await stream(`/api/v1/jobs/${job.id}/events?follow=true`);
    await eventually(() =>
      expect(one.events()).toMatchObject([{ job_id: job.id, n: 1, to_status: 'queued' }]),
    );
    await send('POST', `/api/v1/jobs/${job.sequence_number}/cancel`);
    // The stream of one job ends with it.
    await eventually(() => expect(one.ended).toBe(true));
    expect(one.events()).toMatchObject([{ n: 1 }, { n: 2, to_status: 'canceled' }]);
    await eventually(() =>
      expect(all.events()).toMatchObject([{ n: 1 }, { n: 2, queue: 'default', tags: ['streamed'] }]),
    );
    expect(all.text).not.toContain(other.id);

    const { body } = await get(`/api/v1/jobs/${job.id}/events?limit=1`);
    expect(body).toMatchObject({ items: [{ n: 1 }], next_cursor: '1' });
    expect((await get(`/api/v1/jobs/${job.id}/events?cursor=1`)).body.items).toMatchObject([{ n: 2 }]);
    // Nothing will follow: an EventSource that comes again is told to stay away.
    const again = { ...authorization, accept: 'text/event-stream', 'last-event-id': '2' };
    expect((await get(`/api/v1/jobs/${job.id}/events`, again)).status).toBe(204);

    const lastId = [...all.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
    all.close();
    await send('POST', '/api/v1/jobs', { scenario: '480p-h264', tags: ['streamed'] });
    const resumed = await stream('/api/v1/events?tag=streamed', { 'last-event-id': lastId });
    await eventually(() => expect(resumed.events()).toMatchObject([{ n: 1, to_status: 'queued' }]));
    resumed.close();
    const refused = await get('/api/v1/events', { ...authorization, 'last-event-id': 'yesterday' });
    expect(refused).toMatchObject({ status: 400, body: { title: 'Invalid request' } });
  });

  it.each(['2030', '2030-W01', '2030-01-01T00:00:00', '9999-12-31T23:59:59-14:00'])(
    'refuses the time %s by its field',
    async (time) => {
      const sent = await send('POST', '/api/v1/jobs', { scenario: '720p-h264', run_at: time });
      expect(sent).toMatchObject({ status: 400, body: { errors: [{ path: 'run_at' }] } });
      const listed = await get(`/api/v1/jobs?created_after=${time}`);
      expect(listed).toMatchObject({ status: 400, body: { errors: [{ path: 'created_after' }] } });
    },
  );

  it.each([2 ** 53, 1e19, 1e300])(
    'refuses %d bytes of memory, which it could not read again',
    async (bytes) => {
      const sent = { ...registration('boastful'), ram_total_bytes: bytes };
      const { status, body } = await send('POST', '/api/v1/nodes', sent);
      expect([status, body.errors?.[0]?.path]).toEqual([400, 'ram_total_bytes']);
      expect((await get('/api/v1/nodes')).status).toBe(200);
    },
  );

  it('takes no text for a number in a body', async () => {
    const sent = { scenario: '720p-h264', requirements: { threads: '4' } };
    const { status, body } = await send('POST', '/api/v1/jobs', sent);
    expect([status, body.errors?.[0]?.path]).toEqual([400, 'requirements.threads']);
  });

  it.each(['live%00', '%00', 'no%20queue', 'none'])('knows no queue %s', async (name) => {
    expect(await send('POST', `/api/v1/queues/${name}/pause`)).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('no such queue') },
    });
  });

  it('reads a time by its offset, not by the zone of the machine', async () => {
    const run_at = '2030-01-01T00:00:00+02:00';
    const { body: job } = await send('POST', '/api/v1/jobs', { scenario: '720p-h264', run_at });
    expect(job.run_at).toBe('2029-12-31T22:00:00.000Z');
    const after = encodeURIComponent('2020-01-01T00:00:00+02:00');
    expect((await get(`/api/v1/jobs?created_after=${after}&limit=1`)).body.items).toHaveLength(1);
  });

  it('answers what its description says', async () => {
    const { body: api } = await get('/api/v1/openapi.json');
    expect((await get('/api/v1/openapi.json', {})).status).toBe(401);
    expect(api.info.version).toBe(master.identity.version);
    const { body: job } = await send('POST', '/api/v1/jobs', { scenario: '720p-h264' });
    const { body: node } = await send('POST', '/api/v1/nodes', registration('described'));
    const answers: [string, Record<string, unknown>][] = [
      ['Job', job],
      ['JobPage', (await get('/api/v1/jobs')).body],
      ['JobEvent', (await get(`/api/v1/jobs/${job.id}/events`)).body.items[0]],
      ['Node', (await get(`/api/v1/nodes/${node.id}`)).body],
      ['Queue', (await get('/api/v1/queues')).body.items[0]],
      ['Cluster', (await get('/api/v1/cluster')).body],
      ['Problem', (await get('/api/v1/jobs/no')).body],
    ];
    for (const [name, answer] of answers) {
      const { properties } = api.components.schemas[name];
      expect(Object.keys(properties), name).toEqual(expect.arrayContaining(Object.keys(answer)));
      expect(Object.keys(answer), name).toEqual(
        expect.arrayContaining(api.components.schemas[name].required),
      );
    }
  });

  it('shows a page to read, without inline script and without data', async () => {
    for (const [path, type] of [
      ['/docs', 'text/html'],
      ['/docs/docs.css', 'text/css'],
      ['/docs/docs.js', 'text/javascript'],
    ] as const) {
      const { status, headers, text } = await get(path, {});
      expect([status, headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`]);
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'self';/);
      expect(text).not.toMatch(/<script(?![^>]*src=)|\son\w+=|innerHTML|style="/);
    }
    expect((await get('/docs/..%2fstart-master.ts', {})).status).toBe(404);
    expect((await get('/docs/toString', {})).status).toBe(404);
  });
});

describe('starting and stopping', () => {
  it('starts in under two seconds', async () => {
    const began = performance.now();
    const other = await start();
    const took = performance.now() - began;
    process.stdout.write(`a further master started in ${took.toFixed(0)} ms\n`);
    expect(took).toBeLessThan(2000);
    await other.stop();
  });

  it('says which port is taken', async () => {
    const settings = settingsOf();
    settings.api.port = Number(new URL(master.url).port);
    await expect(startMaster(settings, silent)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('answers parked claims empty, ends streams and lets requests finish, then is gone (I12)', async () => {
    const other = await start();
    const { body: node } = await send('POST', '/api/v1/nodes', registration('parked'), other.url);
    const claim = { claim_id: randomUUID(), max_jobs: 1, wait_seconds: 60 };
    await server.pool.query(`UPDATE ffmpeg_master.queues SET paused = true`);
    const parked = send('POST', `/api/v1/nodes/${node.id}/claim`, claim, other.url);
    const events = await stream('/api/v1/events', {}, other.url);
    await eventually(() => expect(events.text).toContain('id: '));
    const began = performance.now();
    const stopped = other.stop();
    expect(await parked).toMatchObject({ status: 200, body: { jobs: [] } });
    await eventually(() => expect(events.ended).toBe(true));
    await stopped;
    expect(performance.now() - began).toBeLessThan(5000);
    await expect(fetch(`${other.url}/health`)).rejects.toThrow();
    await expect(fetch(`${other.metricsUrl}/metrics`)).rejects.toThrow();
    await server.pool.query(`UPDATE ffmpeg_master.queues SET paused = false`);
    const { rows } = await server.pool.query(
      `SELECT count(*)::int AS sessions FROM ffmpeg_master.masters WHERE id = $1`,
      [other.identity.id],
    );
    expect(rows[0].sessions).toBe(0);
  });
});

describe('a cluster that was off for more than a week', () => {
  const old = useDatabase();

  it('takes jobs as soon as one master is there, before anybody leads', async () => {
    const { rows } = await old.pool.query<{ partition: string }>(
      `SELECT i.inhrelid::regclass::text AS partition FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
       WHERE p.relnamespace = 'ffmpeg_master'::regnamespace AND p.relkind = 'p'`,
    );
    expect(rows).toHaveLength(3 * 8);
    for (const { partition } of rows) await old.pool.query(`DROP TABLE ${partition}`);
    const first = await start((settings) => {
      Object.assign(settings.database, { dsn: old.dsn, direct_dsn: old.dsn, migrate_dsn: old.dsn });
      settings.scheduler.enabled = false;
    });
    try {
      const sent = await send('POST', '/api/v1/jobs', { scenario: '720p-h264' }, first.url);
      expect(sent).toMatchObject({ status: 201, body: { status: 'queued' } });
    } finally {
      await first.stop();
    }
  });
});

describe('a setting of a later version', () => {
  it('is named at the start by who sets it, and by nobody else', async () => {
    expect(unusedSettings(settingsOf())).toEqual([]);
    const warnings: string[] = [];
    const listening = pino({}, { write: (line: string) => void warnings.push(JSON.parse(line).msg) });
    const settings = settingsOf();
    settings.api.rate_limit = 10;
    await (await startMaster(settings, listening)).stop();
    expect(warnings.filter((line) => line.includes('not used'))).toEqual([
      'api.rate_limit is not used by this version',
    ]);
  });
});

describe('health while the database is frozen', () => {
  it('is told within a second, and stays alive', async () => {
    // As if frozen: every connection of the pool waits for a lock that nobody gives.
    const other = await start((settings) => (settings.database.max_open_conns = 1));
    const holder = await server.pool.connect();
    // The server ends a transaction that is idle for long; what then stands here must not be reused.
    holder.on('error', () => undefined);
    let stuck: Promise<unknown>[] = [];
    try {
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE ffmpeg_master.queues, ffmpeg_master.nodes');
      stuck = [1, 2, 3].map(() => get('/api/v1/nodes', authorization, other.url).catch(() => undefined));
      const took: number[] = [];
      await eventually(async () => {
        const began = performance.now();
        const ready = await get('/health/ready', {}, other.url);
        took.push(performance.now() - began);
        expect(ready).toMatchObject({
          status: 503,
          body: { error: { database: { status: 'down', message: 'no answer' } } },
        });
      });
      expect(Math.max(...took)).toBeLessThan(1000);
      expect((await get('/health/live', {}, other.url)).status).toBe(200);
      expect(await get('/health', {}, other.url)).toMatchObject({ status: 200, body: { database: 'down' } });
    } finally {
      holder.release(true);
      await Promise.all(stuck);
    }
    await eventually(async () => expect((await get('/health/ready', {}, other.url)).status).toBe(200));
    await other.stop();
  });
});

function settingsOf(): Settings {
  const settings = new Settings();
  settings.master_api_key = KEY;
  settings.database.dsn = server.dsn;
  settings.database.direct_dsn = server.dsn;
  settings.database.migrate_dsn = server.dsn;
  settings.api.host = '127.0.0.1';
  settings.api.port = 0;
  settings.metrics.port = 0;
  return settings;
}

function start(adjust: (settings: Settings) => void = () => undefined): Promise<RunningMaster> {
  const settings = settingsOf();
  adjust(settings);
  return startMaster(settings, silent);
}

function registration(name: string) {
  return {
    name,
    instance_id: randomUUID(),
    slots: 2,
    cpu_threads: 8,
    cpu_model: 'Ryzen',
    ram_total_bytes: 64e9,
    gpus: [],
    encoders: ['libx264'],
    engines: ['ffmpeg'],
    ffmpeg_version: '7.1',
    labels: {},
  };
}

interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // What is there is what is being tested.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

const authorization = { authorization: `Bearer ${KEY}` };
const get = (path: string, headers: Record<string, string> = authorization, url = master.url) =>
  answerOf(fetch(`${url}${path}`, { headers }));
const send = (method: string, path: string, body: object = {}, url = master.url) =>
  answerOf(
    fetch(`${url}${path}`, {
      method,
      headers: { ...authorization, 'content-type': 'application/json' },
      body: method === 'DELETE' ? undefined : JSON.stringify(body),
    }),
  );

async function answerOf(sent: Promise<Response>): Promise<Answer> {
  const response = await sent;
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') && text !== '';
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json ? JSON.parse(text) : undefined,
  };
}

async function stream(path: string, headers: Record<string, string> = {}, url = master.url) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(`${url}${path}`, { headers: { ...authorization, ...headers } }, resolve)
      .on('error', reject)
      .end();
  });
  expect(response.statusCode).toBe(200);
  expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  const state = {
    text: '',
    ended: false,
    events: () => [...state.text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? '')),
    close: () => void response.destroy(),
  };
  response.on('data', (chunk: Buffer) => (state.text += chunk.toString()));
  response.on('end', () => (state.ended = true));
  response.on('error', () => (state.ended = true));
  return state;
}
