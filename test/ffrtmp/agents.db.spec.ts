/** What the masters keep for agents of ffmpeg-rtmp, which know of no leases and no tokens. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { GoClient, type GoAnswer } from './go-client.js';
import { useDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { startMaster, type RunningMaster } from '../../src/api/start-master.js';
import { Settings } from '../../src/config/settings.js';
import { HeldAttempts } from '../../src/dispatch/held-attempts.js';
import { JobsRepository } from '../../src/jobs/jobs.repository.js';

const KEY = 'a key for the tests of the agents';
const AT = '10.1.2.3';

const db = useDatabase();
const masters: RunningMaster[] = [];
const clients: GoClient[] = [];

beforeAll(async () => {
  for (let count = 0; count < 2; count += 1) {
    const settings = new Settings();
    settings.master_api_key = KEY;
    Object.assign(settings.database, { dsn: db.poolDsn, direct_dsn: db.dsn, migrate_dsn: db.dsn });
    settings.api.host = '127.0.0.1';
    settings.api.port = 0;
    settings.api.trusted_proxies = ['127.0.0.1'];
    settings.metrics.port = 0;
    settings.retry.initial_backoff = 10;
    masters.push(await startMaster(settings, pino({ level: 'silent' })));
  }
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});
afterAll(async () => {
  for (const master of masters) await master.stop();
});

/** By the first master unless another is asked for. */
function client(master = 0): GoClient {
  const made = new GoClient({ url: masters[master]!.url, key: KEY });
  clients.push(made);
  return made;
}

// What is there is what is being tested.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const parsed = ({ text }: GoAnswer): any => JSON.parse(text);

let hosts = 0;
async function register(
  by = client(),
  address = `encoder-${(hosts += 1)}`,
  more: object = {},
): Promise<string> {
  const sent = {
    address,
    type: 'server',
    cpu_threads: 8,
    cpu_model: 'x',
    has_gpu: false,
    ram_total_bytes: 1e9,
    ...more,
  };
  return parsed(await by.call('POST', '/nodes/register', JSON.stringify(sent))).id;
}

/** A job that no other test takes: for nodes with so many threads. */
async function submit(by = client(), job: object = {}): Promise<string> {
  return parsed(await by.call('POST', '/jobs', JSON.stringify({ scenario: 'x', ...job }))).id;
}

const next = async (by: GoClient, node: string): Promise<string | undefined> =>
  parsed(await by.call('GET', `/jobs/next?node_id=${node}`)).job?.id;

const result = (by: GoClient, sent: object) =>
  by.call('POST', '/results', JSON.stringify({ status: 'completed', ...sent })).then(parsed);

interface LeaseRow {
  claim_id: string;
  revoked: boolean;
  seconds: number;
  begun: boolean;
  timeout_seconds: number | null;
}

async function leaseOf(job: string): Promise<LeaseRow | undefined> {
  const { rows } = await db.pool.query<LeaseRow>(
    `SELECT claim_id, revoked, timeout_seconds, clock_from IS NOT NULL AS begun,
            extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds
     FROM ffmpeg_master.leases WHERE job_id = $1`,
    [job],
  );
  return rows[0];
}

/** As after so many seconds without a sign of life. */
async function age(job: string, seconds: number): Promise<void> {
  await db.pool.query(
    `UPDATE ffmpeg_master.leases SET expires_at = expires_at - $2 * interval '1 second',
       assigned_at = assigned_at - $2 * interval '1 second' WHERE job_id = $1`,
    [job, seconds],
  );
}

async function begun(job: string): Promise<void> {
  await eventually(async () => expect(await leaseOf(job)).toMatchObject({ begun: true }));
}

describe('the lease of an agent', () => {
  it('lasts as long as three heartbeats, and the attempt begins by itself', async () => {
    const agent = client();
    const node = await register(agent);
    const job = await submit();
    expect(await next(agent, node)).toBe(job);
    expect((await leaseOf(job))?.seconds).toBeGreaterThan(80);
    expect((await leaseOf(job))?.seconds).toBeLessThan(91);
    await begun(job);
    expect(parsed(await agent.call('GET', `/api/v1/jobs/${job}`))).toMatchObject({ status: 'running' });
    // Its length is not known, and agents tell of no progress.
    expect((await leaseOf(job))?.timeout_seconds).toBe(3_900);
    await result(agent, { job_id: job, node_id: node });
  });

  it.each([
    ['its own limit, whatever the media', { duration: 60 }, 3_900],
    ['the limit of the job', { resource_limits: { timeout_sec: 120 } }, 420],
  ])('ends with %s', async (_, parameters, limit) => {
    const agent = client();
    const node = await register(agent);
    const job = await submit(agent, { parameters });
    await next(agent, node);
    await begun(job);
    expect((await leaseOf(job))?.timeout_seconds).toBe(limit);
    await result(agent, { job_id: job, node_id: node });
  });

  it('is renewed by its node’s heartbeat', async () => {
    const agent = client();
    const node = await register(agent);
    const jobs = [await submit(), await submit()];
    for (const job of jobs) {
      expect(await next(agent, node)).toBe(job);
      await begun(job);
      await age(job, 60);
    }
    expect(await agent.call('POST', `/nodes/${node}/heartbeat`)).toMatchObject({ status: 200, text: '' });
    for (const job of jobs) {
      expect((await leaseOf(job))?.seconds).toBeGreaterThan(80);
      await result(agent, { job_id: job, node_id: node });
    }
  });

  const from = (address: string) => ({ 'x-forwarded-for': address });
  const typed = { 'content-type': 'application/json' };
  const bearer = { authorization: `Bearer ${KEY}` };
  const ask = (path: string, headers: Record<string, string>) =>
    fetch(`${masters[0]!.url}${path}`, { headers: { ...bearer, ...headers } });

  /** A GET with something in it, which no agent sends. */
  const askWith = (path: string, body: string, headers: Record<string, string>) =>
    new Promise<{ status: number | undefined }>((resolve, reject) => {
      const sent = request(`${masters[0]!.url}${path}`, { headers: { ...bearer, ...headers } });
      sent.on('response', (answer) => resolve({ status: answer.resume().statusCode })).on('error', reject);
      sent.end(body);
    });

  it('is renewed by its own look at the job, and by no other reading of it', async () => {
    const node = await register();
    const [job, other] = [await submit(), await submit()];
    for (const id of [job, other]) {
      const answer = await ask(`/jobs/next?node_id=${node}`, from(AT));
      expect(((await answer.json()) as { job: unknown }).job).toMatchObject({ id });
      await begun(id);
      await age(id, 60);
    }
    const look = `/api/v1/jobs/${job}`;
    for (const [path, headers] of [
      [look, from(AT)],
      [look, { ...from('10.1.2.4'), ...typed }],
      [look, typed],
      [`/jobs/${job}`, { ...from(AT), ...typed }],
      [`${look}/events`, { ...from(AT), ...typed }],
    ] as const)
      expect((await ask(path, headers)).status).toBe(200);
    for (const [name, size] of [
      ['content-length', '2'],
      ['transfer-encoding', 'chunked'],
    ] as const)
      expect(await askWith(look, '{}', { ...from(AT), ...typed, [name]: size })).toEqual({ status: 200 });
    // What is renewed is renewed behind the answer: a look at another job, which renews, is behind all of them.
    expect((await ask(`/api/v1/jobs/${other}`, { ...from(AT), ...typed })).status).toBe(200);
    await eventually(async () => expect((await leaseOf(other))?.seconds).toBeGreaterThan(80));
    expect((await leaseOf(job))?.seconds).toBeLessThan(31);
    expect((await ask(look, { ...from(AT), ...typed })).status).toBe(200);
    await eventually(async () => expect((await leaseOf(job))?.seconds).toBeGreaterThan(80));
    for (const id of [job, other]) await result(client(), { job_id: id, node_id: node });
  });

  it('of a worker with a token is not renewed so', async () => {
    const agent = client();
    const node = await register(agent);
    const job = await submit();
    const claim = { claim_id: crypto.randomUUID(), max_jobs: 1 };
    const claimed = await fetch(`${masters[0]!.url}/api/v1/nodes/${node}/claim`, {
      method: 'POST',
      headers: { ...bearer, ...typed },
      body: JSON.stringify(claim),
    });
    expect(await claimed.json()).toMatchObject({ jobs: [{ job: { id: job } }] });
    const before = (await leaseOf(job))?.seconds ?? 0;
    await agent.call('GET', `/api/v1/jobs/${job}`);
    await agent.call('POST', `/nodes/${node}/heartbeat`);
    expect((await leaseOf(job))?.seconds).toBeLessThan(before);
    // Nor does it end without the token.
    expect(await result(agent, { job_id: job, node_id: node })).toEqual({ status: 'stale' });
    await agent.call('POST', `/jobs/${job}/cancel`);
  });
});

/** Sends a poll over a connection of its own, and cuts that at once, or once the answer is there. */
async function cutPoll(master: number, node: string, when: 'at once' | 'answered'): Promise<void> {
  const { hostname, port } = new URL(masters[master]!.url);
  const socket: Socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const poll =
    `GET /jobs/next?node_id=${node} HTTP/1.1\r\nHost: x\r\nUser-Agent: Go-http-client/1.1\r\n` +
    `Authorization: Bearer ${KEY}\r\n\r\n`;
  await new Promise((resolve) => socket.write(poll, resolve));
  if (when === 'answered') await once(socket, 'data');
  socket.resetAndDestroy();
}

describe('a poll that is repeated', () => {
  it.each([
    ['the same master', 0],
    ['another master', 1],
  ])('after a cut answer gets the job that it was given, at %s', async (_, at) => {
    const node = await register();
    const job = await submit();
    const other = await submit();
    await cutPoll(0, node, 'answered');
    expect(await leaseOf(job)).toMatchObject({ revoked: false });
    const agent = client(at);
    expect(await next(agent, node)).toBe(job);
    await begun(job);
    // Having heard of it, its next poll is one for more.
    expect(await next(agent, node)).toBe(other);
    const { rows } = await db.pool.query('SELECT attempt FROM ffmpeg_master.jobs WHERE id = $1', [job]);
    expect(rows).toEqual([{ attempt: 1 }]);
    for (const id of [job, other]) await result(agent, { job_id: id, node_id: node });
  });

  it('by Go’s transport itself, on a connection that it kept, gets the same job', async () => {
    const node = await register();
    const job = await submit();
    const { port } = new URL(masters[0]!.url);
    // Passes on what is asked; the second answer on a connection gets lost.
    const lossy = createServer((asking) => {
      const master = connect(Number(port), '127.0.0.1', () => asking.pipe(master));
      let answers = 0;
      master.on('data', (data) => ((answers += 1) === 2 ? asking.resetAndDestroy() : asking.write(data)));
      for (const [one, other] of [
        [asking, master],
        [master, asking],
      ] as const)
        one.on('error', () => undefined).on('close', () => other.destroy());
    }).listen(0, '127.0.0.1');
    await once(lossy, 'listening');
    const agent = new GoClient({
      url: `http://127.0.0.1:${(lossy.address() as AddressInfo).port}`,
      key: KEY,
    });
    clients.push(agent);
    expect(await agent.call('POST', `/nodes/${node}/heartbeat`)).toMatchObject({ status: 200 });
    expect(await next(agent, node)).toBe(job);
    expect(agent.repeats).toBe(1);
    lossy.close();
    const { rows } = await db.pool.query('SELECT attempt FROM ffmpeg_master.jobs WHERE id = $1', [job]);
    expect(rows).toEqual([{ attempt: 1 }]);
    await result(client(), { job_id: job, node_id: node });
  });

  it('after a cut that came before the answer gets the job, and it counts for nothing', async () => {
    const node = await register();
    const job = await submit();
    await cutPoll(0, node, 'at once');
    const agent = client();
    // What was claimed for nobody is on its way back.
    await eventually(async () => expect(await next(agent, node)).toBe(job));
    const { rows } = await db.pool.query('SELECT failures FROM ffmpeg_master.jobs WHERE id = $1', [job]);
    expect(rows).toEqual([{ failures: 0 }]);
    await result(agent, { job_id: job, node_id: node });
  });

  it.each([
    ['within its last try, 7 s later', 8, true],
    ['as its next poll, 10 s later', 9.5, false],
  ])('%s', async (_, seconds, isSame) => {
    const node = await register();
    const [job, other] = [await submit(), await submit()];
    await cutPoll(0, node, 'answered');
    await age(job, seconds);
    const agent = client(1);
    expect(await next(agent, node)).toBe(isSame ? job : other);
    for (const id of [job, other]) await result(agent, { job_id: id, node_id: node });
    await agent.call('POST', `/jobs/${other}/cancel`);
  });

  it.each([
    ['while other jobs wait', true],
    ['while none waits', false],
  ])('and came while the first was being committed gets the same job, %s', async (_, more) => {
    const node = await register();
    const job = await submit();
    const other = more ? await submit() : undefined;
    await cutPoll(0, node, 'answered');
    // As it stood before: the master that was killed has sent its commit, and nobody sees it yet.
    const look = vi.spyOn(HeldAttempts.prototype, 'of').mockResolvedValueOnce([]);
    const agent = client(1);
    const given = await next(agent, node);
    expect(look).toHaveBeenCalled();
    look.mockRestore();
    expect(given).toBe(job);
    if (other !== undefined) {
      expect(await next(agent, node)).toBe(other);
      const { rows } = await db.pool.query('SELECT failures FROM ffmpeg_master.jobs WHERE id = $1', [other]);
      expect(rows).toEqual([{ failures: 0 }]);
      await result(agent, { job_id: other, node_id: node });
    }
    await result(agent, { job_id: job, node_id: node });
  });

  it('after an error gets a job all the same: one that could not be told is handed back', async () => {
    const node = await register();
    const job = await submit();
    const agent = client();
    const read = vi.spyOn(JobsRepository.prototype, 'get').mockRejectedValueOnce(new Error('no connection'));
    const refused = await agent.call('GET', `/jobs/next?node_id=${node}`);
    expect(read).toHaveBeenCalled();
    read.mockRestore();
    expect(refused).toEqual({ status: 500, text: 'Failed to get next job\n' });
    expect(await next(agent, node)).toBe(job);
    await begun(job);
    const { rows } = await db.pool.query(
      'SELECT failures, retry_count FROM ffmpeg_master.jobs WHERE id = $1',
      [job],
    );
    expect(rows).toEqual([{ failures: 0, retry_count: 0 }]);
    expect(await result(agent, { job_id: job, node_id: node })).toEqual({ status: 'success' });
  });

  it('is one for more where the connection of the last one is open', async () => {
    const node = await register();
    const jobs = [await submit(), await submit()];
    const [first, second] = [client(), client()];
    expect(await next(first, node)).toBe(jobs[0]);
    expect(await next(second, node)).toBe(jobs[1]);
    for (const job of jobs) await result(first, { job_id: job, node_id: node });
  });

  it('is one for more from a program that opens a connection for each request', async () => {
    const node = await register();
    const jobs = [await submit(), await submit()];
    const given: unknown[] = [];
    for (let count = 0; count < 2; count += 1) {
      const headers = { authorization: `Bearer ${KEY}`, connection: 'close', 'user-agent': 'curl/8.5.0' };
      const answer = await fetch(`${masters[count]!.url}/jobs/next?node_id=${node}`, { headers });
      given.push(((await answer.json()) as { job: { id: string } }).job.id);
    }
    expect(given).toEqual(jobs);
    for (const job of jobs) await result(client(), { job_id: job, node_id: node });
  });

  it('is one for more once the agent gave a sign of life, and long after', async () => {
    const node = await register();
    const [job, other] = [await submit(), await submit()];
    await cutPoll(0, node, 'answered');
    await age(job, 9);
    const agent = client();
    expect(await next(agent, node)).toBe(other);
    // Nobody asked for it again: its node's heartbeat takes it for one that runs.
    await agent.call('POST', `/nodes/${node}/heartbeat`);
    await begun(job);
    for (const id of [job, other]) await result(agent, { job_id: id, node_id: node });
  });
});

describe('a result', () => {
  it('that is sent again is accepted once', async () => {
    const agent = client();
    const node = await register(agent);
    const job = await submit();
    await next(agent, node);
    const failure = { job_id: job, node_id: node, status: 'failed', error: 'exit status 1' };
    expect(await result(agent, failure)).toEqual({ status: 'retrying', retry: 1, max_retries: 3 });
    await result(client(1), failure);
    await result(agent, failure);
    expect(parsed(await agent.call('GET', `/jobs/${job}`))).toMatchObject({ retry_count: 1 });
    await agent.call('POST', `/jobs/${job}/cancel`);
  });

  it('of a lost lease changes nothing', async () => {
    const [late, heir] = [client(), client()];
    const [node, other] = [await register(late), await register(heir)];
    const job = await submit();
    expect(await next(late, node)).toBe(job);
    await begun(job);
    // As long after an outage, as which these masters take the time before their start.
    await db.pool.query('UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = NULL');
    await age(job, 100);
    const given = await eventually(
      async () => {
        const id = await next(heir, other);
        expect(id).toBe(job);
        return id;
      },
      { within: 20_000 },
    );
    expect(given).toBe(job);
    expect(await result(late, { job_id: job, node_id: node, metrics: { from: 'late' } })).toEqual({
      status: 'stale',
    });
    expect(parsed(await late.call('GET', `/jobs/${job}`))).toMatchObject({
      status: 'processing',
      node_id: other,
    });
    expect(await result(heir, { job_id: job, node_id: other })).toEqual({ status: 'success' });
    expect(parsed(await heir.call('GET', `/jobs/${job}`))).toMatchObject({
      status: 'completed',
      node_id: other,
    });
  });

  it('that failed after a cancel leaves the job canceled', async () => {
    const agent = client();
    const node = await register(agent);
    const job = await submit();
    await next(agent, node);
    await begun(job);
    expect(parsed(await agent.call('GET', `/nodes/${node}`))).toMatchObject({
      status: 'busy',
      current_job_id: job,
    });
    expect(parsed(await client(1).call('POST', `/jobs/${job}/cancel`, null, ''))).toEqual({
      job_id: job,
      status: 'canceled',
    });
    expect(parsed(await agent.call('GET', `/api/v1/jobs/${job}`))).toMatchObject({ status: 'canceled' });
    expect(parsed(await agent.call('GET', `/nodes/${node}`))).toMatchObject({ status: 'available' });
    const terminated = {
      job_id: job,
      node_id: node,
      status: 'failed',
      error: 'signal: terminated',
      logs: 'x',
    };
    expect(await result(agent, terminated)).toEqual({ status: 'stale' });
    expect(parsed(await agent.call('GET', `/jobs/${job}`))).toMatchObject({
      status: 'canceled',
      retry_count: 0,
    });
    expect(await leaseOf(job)).toBeUndefined();
  });

  it('may have a log of many megabytes, NUL included', async () => {
    const agent = client();
    const node = await register(agent);
    const job = await submit();
    await next(agent, node);
    const logs = `begin\0${'frame= 1 fps=25\n'.repeat(600_000)}end`;
    expect(await result(agent, { job_id: job, node_id: node, logs, error: 'a\0b' })).toEqual({
      status: 'success',
    });
    const kept = parsed(await agent.call('GET', `/jobs/${job}/logs`)).logs as string;
    expect(kept.startsWith('begin\ufffd')).toBe(true);
    expect(kept.endsWith('end')).toBe(true);
    expect(kept).toContain('characters left out');
  });
});

describe('nodes', () => {
  it('of one host name are told apart, and keep their jobs', async () => {
    const [first, second] = [client(), client(1)];
    const node = await register(first, 'shared-host');
    const job = await submit();
    expect(await next(first, node)).toBe(job);
    const other = await register(second, 'shared-host');
    expect(other).not.toBe(node);
    expect(parsed(await first.call('GET', `/nodes/${node}`))).toMatchObject({
      name: 'shared-host',
      status: 'busy',
      current_job_id: job,
    });
    expect(await result(second, { job_id: job, node_id: other })).toEqual({ status: 'stale' });
    expect(await result(first, { job_id: job, node_id: node })).toEqual({ status: 'success' });
  });

  it('that are not there get no job, and are counted', async () => {
    const agent = client();
    const gone = '00000000-0000-4000-8000-000000000001';
    const counted = async () => {
      const text = await (await fetch(`${masters[0]!.metricsUrl}/metrics`)).text();
      return [...text.matchAll(/^ffrtmp_agent_unknown_node_total\{route="(\w+)"\} (\d+)/gm)].map(
        ([, a, b]) => `${a} ${b}`,
      );
    };
    const before = await counted();
    expect(await agent.call('GET', `/jobs/next?node_id=${gone}`)).toEqual({
      status: 200,
      text: '{"job":null}\n',
    });
    expect(await agent.call('POST', `/nodes/${gone}/heartbeat`)).toEqual({
      status: 404,
      text: 'Node not found\n',
    });
    expect(before).toEqual([]);
    expect(await counted()).toEqual(['next 1', 'heartbeat 1']);
  });
});

describe('the order', () => {
  it('is live before default before batch, high before low, then the oldest; what needs a GPU holds up nobody', async () => {
    const agent = client();
    const node = await register(agent);
    const gpu = await submit(agent, { queue: 'live', priority: 'high', parameters: { codec: 'h264_nvenc' } });
    const jobs = {
      'batch medium': await submit(agent, { queue: 'batch' }),
      'default low': await submit(agent, { priority: 'low' }),
      'default medium': await submit(agent),
      'default medium, younger': await submit(agent),
      'default high': await submit(agent, { priority: 'high' }),
      'live low': await submit(agent, { queue: 'live', priority: 'low' }),
    };
    const names = new Map(Object.entries(jobs).map(([name, id]) => [id, name]));
    const order: (string | undefined)[] = [];
    for (let count = 0; count < 7; count += 1) {
      const id = await next(agent, node);
      order.push(id && names.get(id));
      if (id) await result(agent, { job_id: id, node_id: node });
    }
    expect(order).toEqual([
      'live low',
      'default high',
      'default medium',
      'default medium, younger',
      'default low',
      'batch medium',
      undefined,
    ]);
    const able = await register(agent, 'gpu-1', { has_gpu: true, gpu_type: 'NVIDIA L4' });
    expect(await next(agent, able)).toBe(gpu);
    await result(agent, { job_id: gpu, node_id: able });
  });
});
