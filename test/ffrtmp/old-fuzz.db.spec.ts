/** Bad input on the routes of ffmpeg-rtmp: never a 5xx, never a request without an answer, no row changed by a refusal. */
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMaster, type RunningMaster } from '../../src/api/start-master.js';
import { verifyDatabase } from '../../src/commands/verify/verify-database.js';
import { Settings } from '../../src/config/settings.js';
import { openSession } from '../../src/database/dedicated-session.js';
import { FAILURES } from '../../src/ffrtmp/wire/old-routes.js';
import { brokenBodies } from '../fuzz/body-mutations.js';
import { changed, Digests } from '../fuzz/digest.js';
import { useDatabase } from '../support/database.js';
import { random } from '../support/seed.js';

const KEY = 'a key for the fuzz of the old routes';
const WITH_BODY = 700;
const WITHOUT_BODY = 60;
const AT_ONCE = 50;
const TIMEOUT = 120_000;

const db = useDatabase();
const { seed } = random();
const connections = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
const errors: string[] = [];
let master: RunningMaster;
let digests: Digests;
let node = '';
let job = '';

interface Sent {
  readonly route: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

beforeAll(async () => {
  const settings = new Settings();
  settings.master_api_key = KEY;
  Object.assign(settings.database, { dsn: db.poolDsn, direct_dsn: db.dsn, migrate_dsn: db.dsn });
  Object.assign(settings.api, { host: '127.0.0.1', port: 0 });
  settings.metrics.port = 0;
  // Nobody leads: what changes is changed by requests alone.
  settings.scheduler.enabled = false;
  const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) });
  master = await startMaster(settings, log);
  digests = new Digests(db.pool);
  node = JSON.parse((await send(plain('POST', '/nodes/register', JSON.stringify(REGISTRATION)))).text)
    .id as string;
  job = JSON.parse((await send(plain('POST', '/jobs', JSON.stringify(JOB)))).text).id as string;
});

afterAll(async () => {
  connections.destroy();
  await master.stop();
});

const REGISTRATION = {
  address: 'encoder-7',
  type: 'server',
  cpu_threads: 16,
  cpu_model: 'EPYC',
  has_gpu: true,
  gpu_type: 'L4',
  gpu_capabilities: ['nvenc_h264'],
  ram_total_bytes: 68_719_476_736,
  labels: { os: 'linux' },
};
const JOB = {
  scenario: 'clip',
  confidence: 'auto',
  engine: 'auto',
  queue: 'live',
  priority: 'high',
  parameters: { codec: 'h264', duration: 7, resource_limits: { timeout_sec: 60 } },
};
const RESULT = {
  status: 'completed',
  progress: 100,
  metrics: { duration: 1 },
  analyzer_output: { status: 'x' },
  error: '',
  logs: 'log',
  completed_at: '2026-01-07T10:00:00Z',
  qoe_score: 1.5,
};

const BODIES: Readonly<Record<string, () => object>> = {
  'POST /nodes/register': () => REGISTRATION,
  'POST /jobs': () => JOB,
  'POST /results': () => ({ ...RESULT, job_id: job, node_id: node }),
};

const REFERENCES = fc.oneof(
  fc.constantFrom(
    '0',
    '-1',
    '1e3',
    '9'.repeat(30),
    '%00',
    '%ff',
    '..',
    '%2e%2e%2f',
    'next',
    'x'.repeat(5_000),
    "';--",
    '1;',
    '%F0%9F%98%80',
  ),
  fc.uuid(),
  fc.string({ maxLength: 20 }).map(encoded),
);

function encoded(value: string): string {
  return encodeURIComponent(value.replaceAll(/\p{Surrogate}/gu, '?')) || '%20';
}

function plain(method: string, path: string, body = ''): Sent {
  return { route: `${method} ${path}`, method, path, body, headers: {} };
}

function made(route: string): fc.Arbitrary<Sent> {
  const [method = '', pattern = ''] = route.split(' ');
  const good = BODIES[route];
  const path = fc
    .tuple(
      REFERENCES,
      fc.constantFrom('', '', '?x=1', '?node_id=', '?node_id=%00', `?node_id=${'9'.repeat(40)}`),
    )
    .map(([reference, query]) => pattern.replace(/:\w+/, () => reference) + query);
  const body =
    good === undefined
      ? fc.oneof(fc.constant(''), fc.constantFrom('{', 'null', '[]', '\0'))
      : brokenBodies(fc.constantFrom(good())).map((broken) => broken.text);
  const type = fc.constantFrom(
    'application/json',
    '',
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'garbage',
  );
  return fc.record({
    route: fc.constant(route),
    method: fc.constant(method),
    path,
    body,
    headers: type.map((one): Record<string, string> => (one === '' ? {} : { 'Content-Type': one })),
  });
}

function send({
  method,
  path,
  headers,
  body,
}: Sent): Promise<{ status: number; text: string; type: string }> {
  return new Promise((resolve, reject) => {
    request(`${master.url}${path}`, {
      method,
      agent: connections,
      timeout: 60_000,
      headers: {
        Authorization: `Bearer ${KEY}`,
        ...headers,
        ...(method !== 'GET' && { 'Content-Length': Buffer.byteLength(body) }),
      },
    })
      .on('response', (answer) => {
        void text(answer).then(
          (read) =>
            resolve({
              status: answer.statusCode ?? 0,
              text: read,
              type: String(answer.headers['content-type']),
            }),
          reject,
        );
      })
      .on('timeout', () => reject(new Error(`${method} ${path} was not answered within 20 s`)))
      .on('error', reject)
      .end(method === 'GET' ? undefined : body);
  });
}

/** What their master says to the result of a job that nobody has, on SQLite. No fault of ours is behind it: the log is silent. */
function isOfNoJob({ route }: Sent, answer: string): boolean {
  return route === 'POST /results' && answer === 'Failed to update job status\n';
}

describe('bad input on the old routes', () => {
  it.each(Object.keys(FAILURES))(
    '%s answers it, in plain text where it refuses, and changes nothing then',
    async (route) => {
      const requests = fc.sample(made(route), { seed, numRuns: route in BODIES ? WITH_BODY : WITHOUT_BODY });
      const faults: string[] = [];
      let refused: Sent[] = [];
      for (let from = 0; from < requests.length; from += AT_ONCE) {
        const wave = requests.slice(from, from + AT_ONCE);
        const answers = await Promise.all(wave.map(send));
        for (const [index, { status, text, type }] of answers.entries()) {
          const sent = wave[index] as Sent;
          const what = `${sent.method} ${sent.path.slice(0, 100)} ${sent.body.slice(0, 200)} → ${status} ${text.slice(0, 200)}`;
          if ((status >= 500 && !isOfNoJob(sent, text)) || status < 200) faults.push(what);
          if (status >= 400 && text !== '' && !type.startsWith('text/plain')) faults.push(`${type}: ${what}`);
          if (status >= 400) refused = [...refused, sent];
        }
      }
      expect(faults, `seed ${seed}`).toEqual([]);
      // Those that were refused once more, by themselves.
      const before = await digests.take();
      for (let from = 0; from < refused.length; from += AT_ONCE)
        await Promise.all(refused.slice(from, from + AT_ONCE).map(send));
      expect(changed(before, await digests.take()), `seed ${seed}`).toEqual([]);
      // A list has nothing to refuse.
      if (route !== 'GET /nodes' && route !== 'GET /jobs') expect(refused.length).toBeGreaterThan(0);
    },
    TIMEOUT,
  );

  it('leaves no fault in the log, and a database that keeps its promises', async () => {
    expect(errors).toEqual([]);
    const session = await openSession({ dsn: db.dsn, purpose: 'verify' });
    const findings = await verifyDatabase(session, { sinceSeconds: 86_400 }).finally(() => session.end());
    expect(findings.flatMap(({ violations }) => violations)).toEqual([]);
  });
});
