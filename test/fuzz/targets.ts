/** What is there to be hit: jobs in every state that can be reached, nodes that hold leases, logs, keys, a paused queue. */
import { randomUUID } from 'node:crypto';

export interface Targets {
  readonly jobs: readonly string[];
  readonly numbers: readonly string[];
  readonly nodes: readonly string[];
  readonly queues: readonly string[];
  readonly claims: readonly string[];
  readonly idempotencyKeys: readonly string[];
  /** Tokens of leases that stand, with the node and the job that they belong to. */
  readonly leases: readonly Lease[];
  /** Tokens of attempts that are over. The canceled one is not: its worker may still say that the slot is free. */
  readonly oldTokens: readonly number[];
  /** Of the stream of all events. */
  readonly lastEventId: string;
}

export interface Lease {
  readonly node: string;
  readonly job: string;
  readonly token: number;
}

interface Answer {
  status: number;
  // What is there is what is being tested.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

interface ClaimedJob {
  job: { id: string };
  lease_token: number;
}

export type Api = (
  method: string,
  path: string,
  body?: object,
  headers?: Record<string, string>,
) => Promise<Answer>;

export function apiOf(url: string, key: string): Api {
  return async (method, path, body, headers = {}) => {
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...type, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') === true;
    const answer = { status: response.status, body: json ? JSON.parse(text) : text };
    if (response.status >= 300) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return answer;
  };
}

export async function setTargetsUp(api: Api): Promise<Targets> {
  const [used, usedByBatch] = [randomUUID(), randomUUID()];
  const submit = async (job: object = {}, headers?: Record<string, string>): Promise<string> =>
    (await api('POST', '/api/v1/jobs', { scenario: '720p-h264', tags: ['target'], ...job }, headers)).body.id;
  const nodes = await Promise.all(['first', 'second', 'third'].map((name) => register(api, name)));
  const [first = '', second = '', third = ''] = nodes;
  for (let k = 0; k < 10; k += 1) await submit({}, k < 1 ? { 'idempotency-key': used } : undefined);
  await api('POST', '/api/v1/jobs/batch', { jobs: [{ scenario: 'a' }] }, { 'idempotency-key': usedByBatch });

  const claims = [randomUUID(), randomUUID()];
  const take = async (node: string, claim_id: string | undefined, max_jobs: number): Promise<Lease[]> => {
    const { body } = await api('POST', `/api/v1/nodes/${node}/claim`, { claim_id, max_jobs });
    const jobs = body.jobs as ClaimedJob[];
    return jobs.map(({ job, lease_token }) => ({ node, job: job.id, token: lease_token }));
  };
  const [completed, failed, retrying, running, assigned, canceled] = await take(first, claims[0], 6);
  const others = await take(second, claims[1], 2);
  if (!completed || !failed || !retrying || !running || !assigned || !canceled || others.length < 2) {
    throw new Error('There is less to claim than was submitted.');
  }
  for (const { node, job, token } of [completed, running]) {
    await api('POST', `/api/v1/jobs/${job}/logs`, { lease_token: token, offset: 0, text: 'frame=1\n' });
    const attempts = [{ job_id: job, lease_token: token, started: true, progress: 40, fps: 25 }];
    await api('POST', `/api/v1/nodes/${node}/heartbeat`, { attempts, cpu_load_percent: 50 });
  }
  const report = ({ job, token }: Lease, more: object) => ({ job_id: job, lease_token: token, ...more });
  await api('POST', `/api/v1/nodes/${first}/report`, {
    results: [
      report(completed, { status: 'completed', result: { output: 'a.mp4', size_bytes: 1 } }),
      report(failed, { status: 'failed', error: 'no such file', failure_reason: 'input_error' }),
      report(retrying, { status: 'failed', error: 'signal 9', failure_reason: 'runtime_error' }),
    ],
  });
  await api('POST', `/api/v1/jobs/${canceled.job}/cancel`);
  await api('POST', `/api/v1/nodes/${third}/drain`);
  const paused = await submit({ queue: 'batch' });
  await api('POST', `/api/v1/jobs/${paused}/pause`);
  await api('POST', '/api/v1/queues/batch/pause');
  await submit({ run_at: '9998-01-01T00:00:00Z', priority: 'high', queue: 'live' });
  await submit({ requirements: { gpu: true, labels: { room: 'b' } } });

  const { items } = (await api('GET', '/api/v1/jobs?limit=100')).body;
  const listed = items as { id: string; sequence_number: number }[];
  return {
    jobs: listed.map(({ id }) => id),
    numbers: listed.map(({ sequence_number }) => String(sequence_number)),
    nodes,
    queues: ['live', 'default', 'batch'],
    claims,
    idempotencyKeys: [used, usedByBatch],
    leases: [running, assigned, ...others],
    oldTokens: [completed, failed, retrying].map(({ token }) => token),
    lastEventId: '1-700-1-20260101',
  };
}

export function registration(name: string): object {
  return {
    name,
    instance_id: randomUUID(),
    slots: 6,
    cpu_threads: 8,
    cpu_model: 'test',
    ram_total_bytes: 64e9,
    gpus: [],
    encoders: ['libx264'],
    engines: ['ffmpeg'],
    ffmpeg_version: '7.1',
    labels: { room: 'a' },
  };
}

async function register(api: Api, name: string): Promise<string> {
  return (await api('POST', '/api/v1/nodes', registration(name))).body.id as string;
}
