/** API keys at two masters of one database. */
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import type { ApiKeyView, MintedApiKeyView } from '../access/api-key-row.js';
import { ROLE_PERMISSIONS } from '../access/permissions.js';
import { Settings } from '../config/settings.js';
import { startMaster, type RunningMaster } from './start-master.js';

const ADMIN = 'a key for the tests of API keys';
/** Bounds are asserted at three times what is promised: machines that run tests are shared. */
const SHARED_MACHINE = 3;
const server = useDatabase();

let here: RunningMaster;
let there: RunningMaster;

beforeAll(async () => {
  [here, there] = await Promise.all([start(), start()]);
});
afterAll(async () => {
  await Promise.all([here.stop(), there.stop()]);
});

describe('an API key', () => {
  it('is shown once, kept as its digest alone, and may do what its role may at each master', async () => {
    const made = await create({ name: 'dashboard', role: 'viewer' });
    expect(made).toMatchObject({ name: 'dashboard', role: 'viewer', created_by: 'admin', node_id: null });
    expect(new Set(made.permissions)).toEqual(ROLE_PERMISSIONS.viewer);
    for (const master of [here, there]) {
      expect((await call(master, made.key, 'GET', '/jobs')).status).toBe(200);
      expect(await call(master, made.key, 'POST', '/jobs', { scenario: 'clip' })).toMatchObject({
        status: 403,
        body: { detail: 'This API key lacks the permission job:create.' },
      });
    }
    const { body: shown } = await call(here, ADMIN, 'GET', `/keys/${made.id}`);
    const { key, ...rest } = made;
    expect(shown).toEqual({ ...rest, last_used_at: null });
    const rows = await server.pool.query(`SELECT k::text AS row FROM ffmpeg_master.api_keys k`);
    for (const { row } of rows.rows) expect(row).not.toContain(key.slice(made.prefix.length + 1));
  });

  it('acts under its own name', async () => {
    const { key, prefix } = await create({ name: 'ci', role: 'developer' });
    const { body: job } = await call(here, key, 'POST', '/jobs', {
      scenario: 'clip',
      parameters: { input: 'a.mp4', output: 'b.mp4' },
    });
    const found = await server.pool.query('SELECT actor FROM ffmpeg_master.job_events WHERE job_id = $1', [
      job.id,
    ]);
    expect(found.rows).toEqual([{ actor: prefix }]);
  });

  it('is nobody’s at any master within a second of its revocation', async () => {
    const { id, key } = await create({ name: 'lost', role: 'viewer' });
    for (const master of [here, there]) expect((await call(master, key, 'GET', '/jobs')).status).toBe(200);
    expect(await call(here, ADMIN, 'DELETE', `/keys/${id}`)).toMatchObject({
      status: 200,
      body: { revoked_at: expect.any(String) },
    });
    for (const master of [here, there])
      await eventually(async () => expect((await call(master, key, 'GET', '/jobs')).status).toBe(401), {
        within: SHARED_MACHINE * 1000,
      });
    const [again, first] = [
      await call(here, ADMIN, 'DELETE', `/keys/${id}`),
      await call(here, ADMIN, 'GET', `/keys/${id}`),
    ];
    expect(again.body).toEqual(first.body);
  });

  it('is nobody’s within five seconds where the signal was lost', async () => {
    const { id, key } = await create({ name: 'unheard', role: 'viewer' });
    for (const master of [here, there]) expect((await call(master, key, 'GET', '/jobs')).status).toBe(200);
    // As a revocation whose signal nobody heard.
    await server.pool.query(
      `WITH revoked AS (UPDATE ffmpeg_master.api_keys SET revoked_at = now() WHERE id = $1)
       UPDATE ffmpeg_master.access_version SET version = version + 1`,
      [id],
    );
    for (const master of [here, there])
      await eventually(async () => expect((await call(master, key, 'GET', '/jobs')).status).toBe(401), {
        within: SHARED_MACHINE * 5000,
      });
  });

  it('ends by itself, by the clock of the database', async () => {
    const { id, key } = await create({ name: 'short', role: 'viewer', expires_at: '2099-01-01T00:00:00Z' });
    await server.pool.query(
      `UPDATE ffmpeg_master.api_keys SET expires_at = now() + interval '5 s' WHERE id = $1`,
      [id],
    );
    expect((await call(here, key, 'GET', '/jobs')).status).toBe(200);
    await eventually(async () => expect((await call(here, key, 'GET', '/jobs')).status).toBe(401), {
      within: 15_000,
    });
  });

  it('has those of its role’s permissions that its scopes name', async () => {
    const { key, permissions } = await create({ name: 'watcher', role: 'operator', scopes: ['job:read'] });
    expect(permissions).toEqual(['job:read']);
    expect((await call(here, key, 'GET', '/jobs')).status).toBe(200);
    expect((await call(here, key, 'GET', '/nodes')).status).toBe(403);
  });

  it('makes none that may do what it may not', async () => {
    const { key } = await create({ name: 'deputy', role: 'admin', scopes: ['apikey:create', 'job:read'] });
    const refused = await call(here, key, 'POST', '/keys', { name: 'more', role: 'viewer' });
    expect(refused.status).toBe(403);
    expect(refused.body.detail).toContain('node:read');
    const fewer = await call(here, key, 'POST', '/keys', {
      name: 'fewer',
      role: 'viewer',
      scopes: ['job:read'],
    });
    expect(fewer.status).toBe(201);
    const { id } = await create({ name: 'strong', role: 'operator' });
    expect((await call(here, key, 'POST', `/keys/${id}/rotate`, {})).status).toBe(403);
  });

  it('is rotated: both work for a while, then the new one alone; twice at once makes one', async () => {
    const old = await create({ name: 'robot', role: 'developer', scopes: ['job:read'] });
    expect((await call(there, old.key, 'GET', '/jobs')).status).toBe(200);
    // Both statements are under way before either may go on.
    const holder = await server.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM ffmpeg_master.api_keys WHERE id = $1 FOR UPDATE', [old.id]);
    const rotations = Promise.all(
      [here, there].map((master) =>
        call(master, ADMIN, 'POST', `/keys/${old.id}/rotate`, { overlap_seconds: 5 }),
      ),
    );
    await eventually(async () => {
      const waiting = await server.pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
           AND query LIKE '%replaces%'`,
      );
      expect(waiting.rowCount).toBe(2);
    });
    await holder.query('COMMIT');
    holder.release();
    const both = await rotations;
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    const made = both.find(({ status }) => status === 201)?.body as MintedApiKeyView;
    expect(made).toMatchObject({ name: 'robot', role: 'developer', permissions: ['job:read'] });
    for (const key of [old.key, made.key]) expect((await call(there, key, 'GET', '/jobs')).status).toBe(200);
    await eventually(async () => expect((await call(there, old.key, 'GET', '/jobs')).status).toBe(401), {
      within: 15_000,
    });
    expect((await call(there, made.key, 'GET', '/jobs')).status).toBe(200);
  });

  it('is listed page by page, the dead on request alone', async () => {
    const made = await Promise.all([1, 2, 3].map((n) => create({ name: `page-${n}`, role: 'viewer' })));
    await call(here, ADMIN, 'DELETE', `/keys/${made[1]?.id}`);
    const names = async (all: boolean): Promise<string[]> => {
      const found: ApiKeyView[] = [];
      let cursor = '';
      do {
        const { body } = await call(
          here,
          ADMIN,
          'GET',
          `/keys?limit=2&all=${all}${cursor && `&cursor=${cursor}`}`,
        );
        found.push(...body.items);
        cursor = body.next_cursor ?? '';
      } while (cursor !== '');
      return found
        .map(({ name }) => name)
        .filter((name) => name.startsWith('page-'))
        .sort();
    };
    expect(await names(false)).toEqual(['page-1', 'page-3']);
    expect(await names(true)).toEqual(['page-1', 'page-2', 'page-3']);
  });

  it('tells when it was last used, to the minute', async () => {
    const master = await start();
    const { id, key } = await create({ name: 'used', role: 'viewer' });
    expect((await call(master, key, 'GET', '/jobs')).status).toBe(200);
    await master.stop();
    const { body } = await call(here, ADMIN, 'GET', `/keys/${id}`);
    expect(Date.now() - Date.parse(body.last_used_at)).toBeLessThan(60_000);
  });

  it.each([
    ['of a name that no key has', { name: '', role: 'viewer' }],
    ['of no role', { name: 'x', role: 'root' }],
    ['of no permission', { name: 'x', role: 'viewer', scopes: ['job:everything'] }],
    ['of an end that has passed', { name: 'x', role: 'viewer', expires_at: '2020-01-01T00:00:00Z' }],
  ])('is refused where it would be %s', async (_case, body) => {
    expect((await call(here, ADMIN, 'POST', '/keys', body)).status).toBe(400);
  });

  it('that is not there is answered 404', async () => {
    for (const id of ['0', '01998877-0000-7000-8000-000000000001'])
      for (const [method, path] of [
        ['GET', ''],
        ['DELETE', ''],
        ['POST', '/rotate'],
      ] as const)
        expect(
          (await call(here, ADMIN, method, `/keys/${id}${path}`, method === 'POST' ? {} : undefined)).status,
        ).toBe(404);
  });
});

function start(): Promise<RunningMaster> {
  const settings = new Settings();
  settings.master_api_key = ADMIN;
  Object.assign(settings.database, { dsn: server.poolDsn, direct_dsn: server.dsn, migrate_dsn: server.dsn });
  Object.assign(settings.api, { host: '127.0.0.1', port: 0 });
  settings.metrics.port = 0;
  return startMaster(settings, pino({ level: 'silent' }));
}

async function create(wanted: object): Promise<MintedApiKeyView> {
  const { status, body } = await call(here, ADMIN, 'POST', '/keys', wanted);
  expect(status).toBe(201);
  return body;
}

async function call(master: RunningMaster, key: string, method: string, path: string, sent?: object) {
  const response = await fetch(`${master.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(sent && { 'content-type': 'application/json' }) },
    body: sent && JSON.stringify(sent),
  });
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is there is what is being tested
  return { status: response.status, body: (await response.json()) as any };
}
