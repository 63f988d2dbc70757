import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyDatabase } from '../../src/commands/verify/verify-database.js';
import { openSession } from '../../src/database/dedicated-session.js';
import type { Finding } from '../../src/ffrtmp/import/findings.js';
import { importDatabase, type ImportOutcome } from '../../src/ffrtmp/import/import-database.js';
import type { ImportSource } from '../../src/ffrtmp/import/import-source.js';
import { openPostgresSource } from '../../src/ffrtmp/import/postgres-source.js';
import { openSqliteSource } from '../../src/ffrtmp/import/sqlite-source.js';
import { useDatabase } from '../support/database.js';
import { fillOldPostgres, oldSqlite, type OldRow } from './old-database.js';

const db = useDatabase();
const old = useDatabase({ migrated: false });
let folder: string;
let serial = 0;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'import-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  await db.pool
    .query(`TRUNCATE ffmpeg_master.jobs, ffmpeg_master.job_history, ffmpeg_master.job_events, ffmpeg_master.job_logs,
    ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence, ffmpeg_master.imports,
    ffmpeg_master.imported_tenants`);
  await db.pool.query(`SELECT setval('ffmpeg_master.job_sequence_numbers', 1, false)`);
});

const nextFile = (): string => join(folder, `${(serial += 1)}.db`);

async function bring(
  open: () => Promise<ImportSource>,
  options: { dryRun?: boolean; zone?: string } = {},
): Promise<ImportOutcome & { findings: Finding[] }> {
  const findings: Finding[] = [];
  const source = await open();
  const session = await openSession({ dsn: db.dsn, purpose: 'import' });
  const comparing = await openSession({ dsn: db.dsn, purpose: 'import-compare' });
  try {
    const outcome = await importDatabase(source, session, comparing, {
      zone: options.zone ?? 'UTC',
      maxRetries: 3,
      dryRun: options.dryRun ?? false,
      tell: (finding) => findings.push(finding),
      onProgress: () => undefined,
    });
    return { ...outcome, findings };
  } finally {
    await session.end();
    await comparing.end();
    await source.close();
  }
}

async function rows<Row>(sql: string, values: unknown[] = []): Promise<Row[]> {
  return (await db.pool.query(sql, values)).rows as Row[];
}

async function expectSound(): Promise<void> {
  const session = await openSession({ dsn: db.dsn, purpose: 'verify' });
  const findings = await verifyDatabase(session, { sinceSeconds: 86_400 }).finally(() => session.end());
  expect(
    findings.flatMap(({ id, violations }) => violations.map((violation) => ({ id, ...violation }))),
  ).toEqual([]);
}

const ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
const NODE = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const JOB: OldRow = {
  id: ID,
  sequence_number: 41,
  scenario: '720p30-h264',
  confidence: 'auto',
  parameters: '{"bitrate":"2000k","frames":9007199254740993}',
  status: 'completed',
  queue: 'live',
  priority: 'high',
  progress: 100,
  node_id: NODE,
  created_at: '2026-01-07 10:00:00.123456789+01:00',
  started_at: '2026-01-07 10:00:01 +0100 CET m=+0.125',
  completed_at: '2026-01-07T09:00:09Z',
  retry_count: 1,
  logs: 'frame=1\nframe=2\n',
  state_transitions:
    '[{"from":"pending","to":"assigned","timestamp":"2026-01-07T10:00:01+01:00","reason":"Assigned to node"}]',
};
const NODE_ROW: OldRow = {
  id: NODE,
  address: 'http://encoder-7:8090',
  type: 'server',
  cpu_threads: 16,
  cpu_model: 'EPYC',
  has_gpu: 1,
  gpu_type: 'NVIDIA L4',
  gpu_capabilities: '["nvenc_h264"]',
  ram_total_bytes: 68_719_476_736n,
  labels: '{"zone":"b"}',
  status: 'available',
  registered_at: '2026-01-01 00:00:00',
};

describe('an import from SQLite', () => {
  it('brings nodes and jobs with logs and transitions, and never touches the source', async () => {
    const source = oldSqlite(nextFile());
    source.add('nodes', NODE_ROW);
    source.add('jobs', JOB);
    // The rows are in the WAL alone.
    expect((await stat(`${source.file}-wal`)).size).toBeGreaterThan(0);
    const before = await statesOf(folder);
    const done = await bring(() => openSqliteSource(source.file));
    expect(await statesOf(folder)).toEqual(before);
    await source.close();

    expect(done.findings).toEqual([]);
    expect(done).toMatchObject({
      nodes: { read: 1, imported: 1, present: 0 },
      jobs: { read: 1, imported: 1, present: 0, renumbered: 0, refused: 0 },
      comparison: { compared: 1, missing: 0, differing: 0 },
    });
    expect(done.comparison?.kept_digest).toBe(done.comparison?.read_digest);
    const [job] = await rows<Record<string, unknown>>(
      `SELECT h.*, h.archived_on = (now() AT TIME ZONE 'UTC')::date AS today, h.parameters::text AS parameters, to_char(h.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS made
       FROM ffmpeg_master.job_history h`,
    );
    expect(job).toMatchObject({
      id: ID,
      sequence_number: 41,
      status: 'completed',
      queue: 'live',
      priority: 'high',
      node_id: NODE,
      node_name: 'encoder-7',
      retry_count: 1,
      made: '2026-01-07 09:00:00.123456',
      parameters: '{"frames": 9007199254740993, "bitrate": "2000k"}',
      started_at: new Date('2026-01-07T09:00:01Z'),
      completed_at: new Date('2026-01-07T09:00:09Z'),
      today: true,
    });
    const [event] = await rows<{ data: object }>(`SELECT data FROM ffmpeg_master.job_events`);
    expect(event?.data).toEqual({
      sequence_number: '41',
      transitions: JSON.parse(String(JOB['state_transitions'])) as object,
    });
    expect(await rows(`SELECT text FROM ffmpeg_master.job_logs`)).toEqual([{ text: JOB['logs'] }]);
    expect(
      await rows(
        `SELECT id, name, cpu_threads, ram_total_bytes, gpus, labels->>'zone' AS zone, status FROM ffmpeg_master.nodes`,
      ),
    ).toEqual([
      {
        id: NODE,
        name: 'encoder-7',
        cpu_threads: 16,
        ram_total_bytes: 68_719_476_736,
        gpus: [{ name: 'NVIDIA L4' }],
        zone: 'b',
        status: 'offline',
      },
    ]);
    await expectSound();
  });

  it('lets every state arrive where it belongs', async () => {
    const arrivals: Readonly<Record<string, string>> = {
      pending: 'queued',
      queued: 'queued',
      assigned: 'retrying',
      processing: 'retrying',
      running: 'retrying',
      retrying: 'retrying',
      timed_out: 'retrying',
      paused: 'retrying paused',
      completed: 'completed',
      failed: 'failed',
      canceled: 'canceled',
      rejected: 'rejected',
      exploded: 'rejected',
    };
    const source = oldSqlite(nextFile());
    for (const [index, status] of Object.keys(arrivals).entries())
      source.add('jobs', {
        ...JOB,
        id: ID.replace(/..$/, String(index + 10)),
        sequence_number: index + 1,
        status,
        scenario: status,
      });
    const done = await bring(() => openSqliteSource(source.file));
    await source.close();
    const kept = await rows<{ scenario: string; state: string }>(
      `SELECT scenario, status || CASE WHEN paused THEN ' paused' ELSE '' END AS state FROM ffmpeg_master.jobs
       UNION ALL SELECT scenario, status FROM ffmpeg_master.job_history`,
    );
    expect(Object.fromEntries(kept.map(({ scenario, state }) => [scenario, state]))).toEqual(arrivals);
    expect(done.findings.map(({ column, value }) => [column, value])).toEqual([['status', 'exploded']]);
    // All that wait are due, so that the leader promotes them.
    expect(await rows(`SELECT FROM ffmpeg_master.jobs WHERE due_at IS NULL`)).toEqual([]);
    expect(done.comparison).toMatchObject({ compared: 13, differing: 0, missing: 0 });
    await expectSound();
  });

  it.each([0, 1, 6_001])(
    'brings %d jobs, and doubles none where it runs again',
    { timeout: 120_000 },
    async (count) => {
      const source = oldSqlite(nextFile(), { wal: count !== 1 });
      source.fill(count);
      const first = await bring(() => openSqliteSource(source.file));
      expect(first.jobs).toEqual({ read: count, imported: count, present: 0, renumbered: 0, refused: 0 });
      expect(first.comparison).toMatchObject({ compared: count, missing: 0, differing: 0 });
      expect(first.comparison?.kept_digest).toBe(first.comparison?.read_digest);
      const again = await bring(() => openSqliteSource(source.file));
      await source.close();
      expect(again.jobs).toEqual({ read: count, imported: 0, present: count, renumbered: 0, refused: 0 });
      expect(again.findings).toEqual([]);
      const [kept] = await rows<{ n: number; highest: number | null }>(
        `SELECT count(*)::int AS n, max(sequence_number) AS highest FROM ffmpeg_master.job_history`,
      );
      expect(kept).toEqual({ n: count, highest: count || null });
      const [next] = await rows<{ n: number }>(`SELECT nextval('ffmpeg_master.job_sequence_numbers') AS n`);
      expect(next?.n).toBe(count + 1);
    },
  );

  it('gives a new number to whoever comes with one that is taken, and never lowers the sequence', async () => {
    await db.pool.query(`SELECT setval('ffmpeg_master.job_sequence_numbers', 500)`);
    await db.pool.query(
      `INSERT INTO ffmpeg_master.jobs (id, sequence_number, scenario, parameters, queue, priority, requirements, engine, status, lane_id, position, max_retries)
       VALUES (gen_random_uuid(), 41, 'ours', '{}', 'default', 'medium', '{}', 'auto', 'queued', 1, 1, 3)`,
    );
    const source = oldSqlite(nextFile(), { unique: false });
    source.add('jobs', JOB);
    const twin = ID.replace(/^./, '1');
    source.add('jobs', { ...JOB, id: twin, sequence_number: 42 });
    source.add('jobs', { ...JOB, id: ID.replace(/^./, '2'), sequence_number: 42 });
    source.add('jobs', { ...JOB, id: ID.replace(/^./, '3'), sequence_number: 9_223_372_036_854_775_807n });
    const rehearsed = await bring(() => openSqliteSource(source.file), { dryRun: true });
    expect(rehearsed.findings.map(({ value }) => value)).toEqual(['9223372036854775807', '41', '42']);
    const done = await bring(() => openSqliteSource(source.file));
    // The report of an import that goes on where another was killed is as whole as that one's would have been.
    const again = await bring(() => openSqliteSource(source.file));
    expect(again.jobs).toMatchObject({ imported: 0, present: 4 });
    expect(again.findings).toEqual(done.findings);
    await source.close();
    expect(done.jobs).toMatchObject({ imported: 4, renumbered: 3 });
    const numbers = await rows<{ n: number }>(
      `SELECT sequence_number AS n FROM ffmpeg_master.job_history ORDER BY 1`,
    );
    expect(numbers.map(({ n }) => n)).toEqual([42, 501, 502, 503]);
    expect(done.findings.map(({ value }) => value)).toEqual(['9223372036854775807', '41', '42']);
    await expectSound();
  });

  it('loses nothing of hostile content without a word, and lists what it cannot keep', async () => {
    const source = oldSqlite(nextFile(), { unique: false });
    source.database.exec('ALTER TABLE jobs ADD COLUMN colour TEXT; CREATE TABLE audit_log (a TEXT)');
    source.database.exec(`INSERT INTO audit_log VALUES ('x')`);
    const hostile: Readonly<Record<string, OldRow>> = {
      nul: { scenario: 'a\0b', logs: 'c\0d', error: '\0' },
      'no utf-8': { scenario: new Uint8Array([0x61, 0xff, 0x62]) },
      'no json': { parameters: '{"a":', state_transitions: '{' },
      'other json': { parameters: '[1]', state_transitions: '"x"' },
      'nul in json': { parameters: '{"a":"\\u0000","b":"\\ud800"}' },
      'huge number': { parameters: `{"a":1e9999,"b":${'9'.repeat(500)}}` },
      'deep json': { parameters: `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}` },
      'words of its own': {
        queue: 'no such: queue',
        priority: 'urgent',
        engine: 'vlc',
        confidence: 'maybe',
        failure_reason: 'gremlins',
      },
      prototype: { status: '__proto__', queue: 'constructor', parameters: '{"__proto__":{"x":1}}' },
      times: {
        created_at: '2026-02-31 10:00:00',
        started_at: 'yesterday',
        completed_at: '0001-01-01 00:00:00+00:00',
      },
      numbers: { retry_count: -1, max_retries: 1e300, progress: 'half', sequence_number: 'seven' },
      nothing: Object.fromEntries(
        Object.keys(JOB).map((column) => [column, ['id', 'scenario', 'status'].includes(column) ? '' : null]),
      ),
      'no uuid': { id: 'job-1' },
      'same id': { id: ID.toUpperCase() },
      'another column': { colour: 'green' },
      'long number': { parameters: '{"e":"\\ud83d\\ude00 4e123","n":9007199254740993}' },
      'long log': { logs: 'x'.repeat(4_100_000) },
    };
    for (const [index, [name, cells]] of Object.entries(hostile).entries())
      source.add('jobs', {
        ...JOB,
        id: ID.replace(/..$/, String(index + 10)),
        sequence_number: index + 1,
        retry_reason: name,
        ...cells,
      });
    source.add('jobs', { ...JOB, sequence_number: 99 });
    const rehearsed = await bring(() => openSqliteSource(source.file), { dryRun: true });
    expect(
      await rows(`SELECT FROM ffmpeg_master.job_history UNION ALL SELECT FROM ffmpeg_master.imports`),
    ).toEqual([]);
    const done = await bring(() => openSqliteSource(source.file));
    await source.close();

    const count = Object.keys(hostile).length + 1;
    expect(done.jobs).toMatchObject({ read: count, imported: count, refused: 0 });
    expect(done.comparison).toMatchObject({ compared: count, missing: 0, differing: 0 });
    // What was promised is what came.
    expect(rehearsed.jobs).toMatchObject({ read: count, imported: count });
    const told = (findings: readonly Finding[]) =>
      findings.map(({ what, column, value }) => `${what} ${column ?? ''} ${value ?? ''}`).sort();
    expect(told(rehearsed.findings)).toEqual(told(done.findings));

    const columns = new Set(done.findings.map(({ column }) => column));
    expect([...columns].sort()).toEqual(
      [
        undefined,
        'colour',
        'completed_at',
        'confidence',
        'created_at',
        'engine',
        'error',
        'failure_reason',
        'id',
        'logs',
        'max_retries',
        'parameters',
        'priority',
        'progress',
        'queue',
        'retry_count',
        'scenario',
        'sequence_number',
        'started_at',
        'state_transitions',
        'status',
      ]
        .filter((column) => column !== 'completed_at')
        .sort(),
    );
    expect(
      await rows(
        `SELECT parameters->>'n' AS n FROM ffmpeg_master.job_history WHERE parameters->>'e' = '\u{1f600} 4e123'`,
      ),
    ).toEqual([{ n: '9007199254740993' }]);
    expect(done.findings.filter(({ value }) => value?.includes('4e123'))).toEqual([]);
    expect(done.findings.find(({ what }) => what === 'table')).toMatchObject({ id: 'audit_log' });
    // What could not be read stands in the job's first event, as it was.
    const unread = await rows<{ name: string; unread: Record<string, string> }>(
      `SELECT data->>'retry_reason' AS name, data->'unread' AS unread FROM ffmpeg_master.job_events WHERE data ? 'unread'`,
    );
    const byName = new Map(unread.map(({ name, unread }) => [name, unread]));
    expect(byName.get('no json')).toEqual({ parameters: '{"a":', state_transitions: '{' });
    expect(byName.get('words of its own')).toEqual({
      queue: 'no such: queue',
      priority: 'urgent',
      engine: 'vlc',
      confidence: 'maybe',
      failure_reason: 'gremlins',
    });
    expect(byName.get('another column')).toEqual({ colour: 'green' });
    expect(byName.get('numbers')).toMatchObject({ sequence_number: 'seven' });
    await expectSound();
  });

  it('tells what of a node is lost, at each run and in a rehearsal, and compares those that were not heard since', async () => {
    const source = oldSqlite(nextFile());
    source.database.exec('ALTER TABLE nodes ADD COLUMN rack TEXT');
    source.add('nodes', {
      ...NODE_ROW,
      last_heartbeat: '2026-01-07 10:00:00',
      current_job_id: ID,
      rack: 'r7',
    });
    source.add('nodes', {
      ...NODE_ROW,
      id: NODE.replace(/^./, '1'),
      address: 'encoder-7',
      gpu_capabilities: '["a",1]',
    });
    source.add('nodes', {
      ...NODE_ROW,
      id: NODE.replace(/^./, '2'),
      address: 'encoder-8',
      has_gpu: 0,
      name: 'mine',
    });
    const told = (findings: readonly Finding[]) =>
      findings.map(({ column, id }) => `${column} ${id.slice(0, 1)}`).sort();
    const lost = [
      'address 1',
      'current_job_id 7',
      'gpu_capabilities 1',
      'gpu_type 2',
      'last_heartbeat 7',
      'name 2',
      'rack 7',
    ];
    expect(told((await bring(() => openSqliteSource(source.file), { dryRun: true })).findings)).toEqual(lost);
    for (const imported of [3, 0]) {
      const done = await bring(() => openSqliteSource(source.file));
      expect(done.nodes).toEqual({ read: 3, imported, present: 3 - imported, refused: 0, differing: 0 });
      expect(told(done.findings)).toEqual(lost);
    }
    await db.pool.query(`UPDATE ffmpeg_master.nodes SET cpu_model = 'another'`);
    expect((await bring(() => openSqliteSource(source.file))).nodes).toMatchObject({ differing: 3 });
    await db.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'online'`);
    expect((await bring(() => openSqliteSource(source.file))).nodes).toMatchObject({ differing: 0 });
    await source.close();
  });

  it('leaves out the rows that the database refuses, and brings all others', async () => {
    const source = oldSqlite(nextFile());
    source.fill(9);
    source.add('jobs', { ...JOB, scenario: 'refuse me' });
    source.add('nodes', NODE_ROW);
    // What no index takes, as it cannot be compressed.
    source.add('nodes', {
      ...NODE_ROW,
      id: NODE.replace(/^./, '1'),
      address: randomBytes(6000).toString('base64'),
    });
    await db.pool.query(
      `ALTER TABLE ffmpeg_master.job_history ADD CONSTRAINT refused CHECK (scenario <> 'refuse me') NOT VALID`,
    );
    const done = await bring(() => openSqliteSource(source.file)).finally(() =>
      db.pool.query('ALTER TABLE ffmpeg_master.job_history DROP CONSTRAINT refused'),
    );
    await source.close();
    expect(done.jobs).toEqual({ read: 10, imported: 9, present: 0, renumbered: 0, refused: 1 });
    expect(done.nodes).toMatchObject({ read: 2, imported: 1, refused: 1, differing: 0 });
    expect(done.comparison).toMatchObject({ compared: 9, missing: 0, differing: 0 });
    expect(done.findings.map(({ what, id }) => `${what} ${id}`)).toEqual([
      `node ${NODE.replace(/^./, '1')}`,
      `job ${ID}`,
    ]);
  });

  it('lets a job ask for no machine where too many kinds were asked for, and says so before', async () => {
    await db.pool.query(
      `INSERT INTO ffmpeg_master.lanes (tenant_id, queue, priority, requirement, requirement_hash)
       SELECT 'default', 'default', 'low', jsonb_build_object('labels', jsonb_build_object('n', n::text)), 'filler ' || n
       FROM generate_series(1, 1000) n`,
    );
    const source = oldSqlite(nextFile());
    source.add('jobs', { ...JOB, queue: 'batch', parameters: '{"codec":"h264_nvenc"}' });
    const rehearsed = await bring(() => openSqliteSource(source.file), { dryRun: true });
    const done = await bring(() => openSqliteSource(source.file)).finally(() =>
      db.pool.query(`DELETE FROM ffmpeg_master.lanes WHERE requirement_hash LIKE 'filler %'`),
    );
    await source.close();
    expect(done.jobs).toMatchObject({ imported: 1 });
    expect(done.findings).toMatchObject([
      { column: 'parameters', problem: expect.stringContaining('too many kinds') as string },
    ]);
    expect(rehearsed.findings).toEqual(done.findings);
  });

  it('takes back what a transaction had written that was cut off, as its journal tells', async () => {
    const source = oldSqlite(nextFile(), { wal: false });
    source.fill(2_000);
    // Pages that do not fit are written before the commit.
    source.database.exec(`PRAGMA cache_size = 10; BEGIN; UPDATE jobs SET scenario = 'half done', logs = 'x'`);
    const cut = nextFile();
    for (const name of ['', '-journal']) await copyFile(`${source.file}${name}`, `${cut}${name}`);
    source.database.exec('ROLLBACK');
    await source.close();
    expect((await readFile(cut)).includes('half done')).toBe(true);
    const done = await bring(() => openSqliteSource(cut));
    expect(done.jobs).toMatchObject({ read: 2_000, imported: 2_000 });
    expect(await rows(`SELECT FROM ffmpeg_master.job_history WHERE scenario = 'half done'`)).toEqual([]);
  });

  it('reads a database of an early version, which lacks columns', async () => {
    const source = oldSqlite(nextFile());
    source.database
      .exec(`DROP TABLE jobs; CREATE TABLE jobs (id TEXT PRIMARY KEY, scenario TEXT, parameters TEXT, status TEXT,
      node_id TEXT, created_at DATETIME); DROP TABLE nodes`);
    source.add('jobs', {
      id: ID,
      scenario: 'clip',
      parameters: '{}',
      status: 'pending',
      node_id: null,
      created_at: '2026-01-07T10:00:00Z',
    });
    const done = await bring(() => openSqliteSource(source.file));
    await source.close();
    expect(done.findings).toEqual([]);
    expect(done.nodes).toEqual({ read: 0, imported: 0, present: 0, refused: 0, differing: 0 });
    expect(
      await rows(`SELECT sequence_number, queue, priority, max_retries FROM ffmpeg_master.jobs`),
    ).toEqual([{ sequence_number: 1, queue: 'default', priority: 'medium', max_retries: 3 }]);
    await expectSound();
  });

  it('tells of a row that is kept otherwise than it was read, and of one that is not kept', async () => {
    const source = oldSqlite(nextFile());
    const ids = [1, 2, 3, 4].map((n) => ID.replace(/.$/, String(n)));
    const [asItWas, lost, otherLog, otherTime] = ids;
    for (const [index, id] of ids.entries())
      source.add('jobs', { ...JOB, id, sequence_number: index + 1, logs: `log ${index + 1}` });
    await db.pool.query(
      `CREATE FUNCTION ffmpeg_master.spoil() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF TG_ARGV[0] = 'log' THEN NEW.text := NEW.text || '!'; RETURN NEW; END IF;
         IF NEW.id = '${lost}' THEN RETURN NULL; END IF;
         NEW.completed_at := NEW.completed_at + interval '1 microsecond'; RETURN NEW;
       END $$;
       CREATE TRIGGER spoil BEFORE INSERT ON ffmpeg_master.job_history FOR EACH ROW
         WHEN (NEW.id IN ('${lost}', '${otherTime}')) EXECUTE FUNCTION ffmpeg_master.spoil();
       CREATE TRIGGER spoil BEFORE INSERT ON ffmpeg_master.job_logs FOR EACH ROW
         WHEN (NEW.job_id = '${otherLog}') EXECUTE FUNCTION ffmpeg_master.spoil('log')`,
    );
    try {
      const done = await bring(() => openSqliteSource(source.file));
      expect(done.comparison).toMatchObject({ compared: 3, missing: 1, differing: 2 });
      expect(done.comparison?.kept_digest).not.toBe(done.comparison?.read_digest);
      expect(done.findings.map(({ id, problem }) => [id, problem]).sort()).toEqual(
        [
          [lost, 'is not there: it was read, and is neither live nor in history'],
          [otherLog, 'differs from what was read'],
          [otherTime, 'differs from what was read'],
        ].sort(),
      );
      expect(done.findings.some(({ id }) => id === asItWas)).toBe(false);
    } finally {
      await db.pool.query('DROP FUNCTION ffmpeg_master.spoil CASCADE');
      await source.close();
    }
  });

  it('keeps a second import out while one runs', async () => {
    const first = await openSession({ dsn: db.dsn, purpose: 'import' });
    await first.client.query(`SELECT pg_advisory_lock(hashtextextended('ffmpeg_master.import', 0))`);
    const source = oldSqlite(nextFile());
    await expect(bring(() => openSqliteSource(source.file))).rejects.toThrow(/another import/);
    await first.end();
    await source.close();
  });

  it('tells of a file that is none, or no database of theirs', async () => {
    await expect(openSqliteSource(join(folder, 'absent.db'))).rejects.toThrow(/is no file/);
    const other = oldSqlite(nextFile());
    other.database.exec('DROP TABLE jobs; DROP TABLE nodes');
    await expect(openSqliteSource(other.file)).rejects.toThrow(/no database of ffmpeg-rtmp/);
    await other.close();
  });
});

describe('an import from PostgreSQL', () => {
  it('brings tenants, nodes and jobs, whose times have no zone', async () => {
    await fillOldPostgres(
      old.dsn,
      `INSERT INTO tenants (id, name) VALUES ('acme', 'acme');
       INSERT INTO nodes (id, address, type, cpu_threads, has_gpu, labels, status) VALUES ('${NODE}', 'encoder-7', 'server', 8, false, '{"zone":"b"}', 'busy');
       INSERT INTO jobs (id, sequence_number, tenant_id, scenario, parameters, status, queue, node_id, created_at, completed_at, retry_count, logs)
       SELECT md5(n::text)::uuid::text, n, CASE WHEN n = 1 THEN 'acme' END, 'clip', '{"duration": 7}', CASE WHEN n <= 2 THEN 'processing' ELSE 'failed' END,
              'default', '${NODE}', '2026-07-01 12:00:00.000001', '2026-07-01 12:00:09', 0, 'log ' || n
       FROM generate_series(1, 2500) n`,
    );
    const done = await bring(() => openPostgresSource(old.dsn), { zone: 'Europe/Berlin' });
    expect(done).toMatchObject({
      tenants: { read: 2, imported: 2 },
      nodes: { read: 1, imported: 1 },
      jobs: { read: 2500, imported: 2500 },
      comparison: { compared: 2500, missing: 0, differing: 0 },
    });
    expect(done.findings).toMatchObject([{ what: 'tenant', id: 'acme' }]);
    expect(await rows(`SELECT status, count(*)::int AS n FROM ffmpeg_master.jobs GROUP BY 1`)).toEqual([
      { status: 'retrying', n: 2 },
    ]);
    const [made] = await rows<{ made: string }>(
      `SELECT DISTINCT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS made FROM ffmpeg_master.job_history`,
    );
    expect(made?.made).toBe('2026-07-01 10:00:00.000001');
    const [first] = await rows<{ data: object }>(
      `SELECT e.data FROM ffmpeg_master.job_events e JOIN ffmpeg_master.jobs j ON j.id = e.job_id WHERE j.sequence_number = 1`,
    );
    expect(first?.data).toMatchObject({ tenant_id: 'acme', status: 'processing' });
    expect(await rows(`SELECT id FROM ffmpeg_master.imported_tenants ORDER BY 1`)).toEqual([
      { id: 'acme' },
      { id: 'default' },
    ]);
    const rehearsed = await bring(() => openPostgresSource(old.dsn), { zone: 'Europe/Berlin', dryRun: true });
    expect(rehearsed.tenants).toEqual({ read: 2, imported: 0, present: 2 });
    expect((await bring(() => openPostgresSource(old.dsn), { zone: 'Europe/Berlin' })).jobs).toMatchObject({
      imported: 0,
      present: 2500,
    });
    await expectSound();
  });

  it.each([0, 1])('brings %d jobs', async (count) => {
    await fillOldPostgres(
      old.dsn,
      `INSERT INTO jobs (id, sequence_number, scenario, status, created_at)
       SELECT '${ID}', 7, 'clip', 'completed', '2026-07-01 12:00:00' FROM generate_series(1, ${count})`,
    );
    const done = await bring(() => openPostgresSource(old.dsn));
    expect(done.jobs).toEqual({ read: count, imported: count, present: 0, renumbered: 0, refused: 0 });
    expect(done.comparison).toMatchObject({ compared: count, missing: 0, differing: 0 });
    expect(done.findings).toEqual([]);
  });

  it('loses nothing of hostile content without a word', async () => {
    await fillOldPostgres(
      old.dsn,
      `INSERT INTO jobs (id, sequence_number, scenario, parameters, status, queue, progress, created_at) VALUES
         ('job-1', 1, 'no uuid', '{}', 'completed', 'default', 100, '2026-07-01 12:00:00'),
         ('${ID}', 2, 'same id', '[1]', 'exploded', 'no such: queue', 777, 'infinity'),
         ('${ID.toUpperCase()}', -3, 'same id', '{"n": 9007199254740993}', 'completed', 'default', 100, '2026-07-01 12:00:00')`,
    );
    const done = await bring(() => openPostgresSource(old.dsn));
    expect(done.jobs).toMatchObject({ read: 3, imported: 3, refused: 0 });
    expect(done.comparison).toMatchObject({ compared: 3, missing: 0, differing: 0 });
    expect(done.findings.map(({ column }) => column).sort()).toEqual([
      'created_at',
      'created_at',
      'id',
      'id',
      'parameters',
      'progress',
      'queue',
      'sequence_number',
      'status',
    ]);
    expect(
      await rows(`SELECT parameters->>'n' AS n FROM ffmpeg_master.job_history WHERE parameters ? 'n'`),
    ).toEqual([{ n: '9007199254740993' }]);
    await expectSound();
  });

  it('reads a server that takes no writes, as a standby does', async () => {
    await fillOldPostgres(
      old.dsn,
      `INSERT INTO jobs (id, sequence_number, scenario, status, created_at)
         VALUES ('${ID}', 7, 'clip', 'completed', '2026-07-01 12:00:00')`,
    );
    await setReadOnly('on');
    try {
      expect((await bring(() => openPostgresSource(old.dsn))).jobs).toMatchObject({ read: 1, imported: 1 });
    } finally {
      await setReadOnly('off');
    }
  });
});

/** For sessions to come of the old database. */
async function setReadOnly(value: 'on' | 'off'): Promise<void> {
  await old.pool.query(
    `BEGIN READ WRITE;
     DO $$ BEGIN
       EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ${value}', current_database());
     END $$;
     COMMIT`,
  );
}

/** Of all files: content and time of the last change. */
async function statesOf(path: string): Promise<Record<string, string>> {
  const states = (await readdir(path)).map(async (name) => {
    const file = join(path, name);
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    return [name, `${digest} ${(await stat(file)).mtimeMs}`] as const;
  });
  return Object.fromEntries(await Promise.all(states));
}
