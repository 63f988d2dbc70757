/** What an import brought, as the masters serve it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startMaster, type RunningMaster } from '../../src/api/start-master.js';
import { Settings } from '../../src/config/settings.js';
import { openSession } from '../../src/database/dedicated-session.js';
import { importDatabase } from '../../src/ffrtmp/import/import-database.js';
import { openSqliteSource } from '../../src/ffrtmp/import/sqlite-source.js';
import { useDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { GoClient } from './go-client.js';
import { oldSqlite } from './old-database.js';

const KEY = 'a key for the tests of imported jobs';
const NODE = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const GONE = '7c9e6679-7425-40de-944b-e07fc1f90ae8';
const [COMPLETED, FAILED, RUNNING, PENDING, FAILED_ELSEWHERE] = [1, 2, 3, 4, 5].map(
  (n) => `0f8fad5b-d9cb-469f-a165-70867728950${n}`,
);
const TRANSITIONS = [
  { from: 'pending', to: 'assigned', timestamp: '2026-01-07T10:00:01+01:00', reason: 'Assigned to node x' },
];

const db = useDatabase();
let folder: string;
let master: RunningMaster;
let client: GoClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imported-'));
  const settings = new Settings();
  settings.master_api_key = KEY;
  Object.assign(settings.database, { dsn: db.poolDsn, direct_dsn: db.dsn, migrate_dsn: db.dsn });
  Object.assign(settings.api, { host: '127.0.0.1', port: 0 });
  settings.metrics.port = 0;
  master = await startMaster(settings, pino({ level: 'silent' }));
  client = new GoClient({ url: master.url, key: KEY });

  // While the master is at work, as it may be.
  const old = oldSqlite(join(folder, 'master.db'));
  old.add('nodes', {
    id: NODE,
    address: 'encoder-7',
    type: 'server',
    cpu_threads: 8,
    has_gpu: 0,
    status: 'busy',
  });
  for (const [index, [id, status]] of [
    [COMPLETED, 'completed'],
    [FAILED, 'failed'],
    [RUNNING, 'processing'],
    [PENDING, 'pending'],
    [FAILED_ELSEWHERE, 'failed'],
  ].entries())
    old.add('jobs', {
      id: id as string,
      sequence_number: 100 + index,
      scenario: `was ${status}`,
      parameters: '{"duration":7}',
      status: status as string,
      node_id: id === FAILED_ELSEWHERE ? GONE : null,
      created_at: `2026-01-07 10:00:0${index}+01:00`,
      completed_at: index < 2 ? '2026-01-07 11:00:00+01:00' : null,
      retry_count: 0,
      error: status === 'failed' ? 'it broke' : '',
      logs: `log of ${status}`,
      state_transitions: JSON.stringify(TRANSITIONS),
    });
  const source = await openSqliteSource(old.file);
  const session = await openSession({ dsn: db.dsn, purpose: 'import' });
  const comparing = await openSession({ dsn: db.dsn, purpose: 'import-compare' });
  await importDatabase(source, session, comparing, {
    zone: 'UTC',
    maxRetries: 3,
    dryRun: false,
    tell: () => undefined,
    onProgress: () => undefined,
  });
  await session.end();
  await comparing.end();
  await source.close();
  await old.close();
});

afterAll(async () => {
  client.close();
  await master.stop();
  await rm(folder, { recursive: true, force: true });
});

// What is there is what is being tested.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const get = async (path: string): Promise<any> => JSON.parse(await client.insist('GET', path, null));

it.each([
  [COMPLETED, 'completed', 100],
  [FAILED, 'failed', 101],
])(
  '%s is read in history by id and by number, with its log and its transitions',
  async (id, status, number) => {
    for (const path of [`/jobs/${id}`, `/jobs/${number}`])
      expect(await get(path)).toMatchObject({
        id,
        sequence_number: number,
        status,
        parameters: { duration: 7 },
        logs: `log of ${status}`,
        state_transitions: TRANSITIONS,
        completed_at: '2026-01-07T10:00:00.000Z',
      });
    expect((await get(`/api/v1/jobs/${id}/events`)).items).toMatchObject([
      { n: 1, type: 'imported', from_status: null, to_status: status },
    ]);
  },
);

it(
  'hands those that wait to the node that came with them, the oldest first, and a failed one once it is retried',
  { timeout: 90_000 },
  async () => {
    // Its agent knows nothing of the move.
    await client.insist('POST', `/nodes/${NODE}/heartbeat`, '');
    const next = async (): Promise<string | undefined> => (await get(`/jobs/next?node_id=${NODE}`)).job?.id;
    const given: (string | undefined)[] = [];
    // The leader must be elected first, and promote them.
    for (const id of [RUNNING, PENDING])
      await eventually(
        async () => {
          const job = await next();
          if (job !== undefined) given.push(job);
          expect(given).toContain(id);
        },
        { within: 20_000 },
      );
    expect(given).toEqual([RUNNING, PENDING]);
    await client.insist('POST', `/jobs/${FAILED}/retry`, '');
    await eventually(async () => expect(await next()).toBe(FAILED), { within: 20_000 });
    for (const id of [RUNNING, PENDING, FAILED])
      await client.insist(
        'POST',
        '/results',
        JSON.stringify({ job_id: id, node_id: NODE, status: 'completed', logs: 'and now' }),
      );
    const done = await get(`/jobs/${FAILED}`);
    expect(done).toMatchObject({ status: 'completed', sequence_number: 101, logs: 'log of failedand now' });
    expect(done.state_transitions[0]).toEqual(TRANSITIONS[0]);
  },
);

it('of a node that is gone are told with its id in the place of its name, which the CLI needs', async () => {
  expect(await get(`/jobs/${FAILED_ELSEWHERE}`)).toMatchObject({ node_id: GONE, node_name: GONE });
});
