/** `ffmpeg-master import` as a person runs it. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { Program, run } from '../e2e/support/program.js';
import { eventually } from '../support/eventually.js';
import { useDatabase } from '../support/database.js';
import { oldSqlite } from './old-database.js';

const db = useDatabase();
let folder: string;
let serial = 0;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'import-command-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  await db.pool.query(
    'TRUNCATE ffmpeg_master.jobs, ffmpeg_master.job_history, ffmpeg_master.job_events, ffmpeg_master.job_logs',
  );
});

const report = (): string => join(folder, 'report.jsonl');
const nextFile = (): string => join(folder, `${(serial += 1)}.db`);
const env = (): Record<string, string> => ({ DATABASE_DSN: db.dsn, MASTER_API_KEY: 'x'.repeat(32) });
const bring = (...args: string[]) => run(['import', '--report', report(), ...args], env());

async function countJobs(): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM ffmpeg_master.job_history',
  );
  return rows[0]?.n ?? 0;
}

it('rehearses, imports, compares, and says what it did', async () => {
  const old = oldSqlite(nextFile());
  old.fill(100);
  old.add('jobs', {
    id: 'job-101',
    sequence_number: 101,
    scenario: 'x',
    status: 'exploded',
    created_at: '2026-01-07 10:00:00',
  });
  const from = `sqlite:${old.file}`;
  const rehearsed = await bring('--from', from, '--dry-run', '--timezone', 'Europe/Berlin');
  expect(rehearsed, rehearsed.output).toMatchObject({ status: 0 });
  expect(rehearsed.output).toMatch(
    /dry run: nothing was written[^]*jobs +101 read, 101 would be imported, 0 were there/,
  );
  expect(await countJobs()).toBe(0);

  const done = await bring('--from', from, '--timezone', 'Europe/Berlin');
  expect(done, done.output).toMatchObject({ status: 0 });
  expect(done.output).toMatch(/jobs +101 read, 101 imported, 0 were there/);
  expect(done.output).toMatch(
    /compared 101 jobs: digest of what was read ([0-9a-f]{16}), of what is kept \1; 0 differ, 0 are missing/,
  );
  expect(done.output).toMatch(
    /1 × job\.status is a state that nobody knows; it arrives as rejected: job-101/,
  );
  // Parameters may hold stream keys.
  expect((await stat(report())).mode & 0o777).toBe(0o600);
  const lines = (await readFile(report(), 'utf8')).trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { column: string }).column)).toEqual(['id', 'status']);
  expect(await countJobs()).toBe(101);

  const again = await bring('--from', from);
  expect(again.output).toMatch(/jobs +101 read, 0 imported, 101 were there/);
  await old.close();
});

it('tells of a row that was changed behind its back, and exits with 1', async () => {
  const old = oldSqlite(nextFile());
  old.fill(10);
  expect(await bring('--from', `sqlite:${old.file}`)).toMatchObject({ status: 0 });
  await db.pool.query(`UPDATE ffmpeg_master.job_history SET scenario = 'another' WHERE sequence_number = 7`);
  await db.pool.query(
    `UPDATE ffmpeg_master.job_logs SET text = 'another' WHERE job_id = (SELECT id FROM ffmpeg_master.job_history WHERE sequence_number = 8)`,
  );
  const told = await bring('--from', `sqlite:${old.file}`);
  expect(told.status).toBe(1);
  expect(told.output).toMatch(/2 differ, 0 are missing/);
  await old.close();
});

/** Lets an import come to its second batch, and no further until it is told to: however starved this test is. */
async function holdSecondBatch(): Promise<() => Promise<void>> {
  const holder = await db.pool.connect();
  await holder.query(
    `SELECT pg_advisory_lock(42);
     CREATE OR REPLACE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql
       AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END';
     CREATE TRIGGER hold BEFORE INSERT ON ffmpeg_master.job_history
       FOR EACH ROW WHEN (NEW.sequence_number = 2501) EXECUTE FUNCTION public.hold()`,
  );
  return async () => {
    await holder.query('SELECT pg_advisory_unlock(42)');
    // The server finishes the batch of an import that was killed: with it the trigger's end, or a TRUNCATE, would be a deadlock.
    await eventually(async () => expect(await importSessions()).toBe(0), { within: 60_000 });
    await holder.query('DROP TRIGGER hold ON ffmpeg_master.job_history');
    holder.release();
  };
}

async function importSessions(): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%import%'`,
  );
  return rows[0]?.n ?? 0;
}

it('goes on where one was killed in its midst', async () => {
  const old = oldSqlite(nextFile());
  old.fill(10_000);
  const letGo = await holdSecondBatch();
  const program = new Program(['import', '--from', `sqlite:${old.file}`, '--report', report()], env());
  await eventually(() => expect(program.output).toMatch(/import: (?!0 )\d+ of/), { within: 60_000 });
  expect(await importSessions()).toBe(2);
  program.child.kill('SIGKILL');
  await program.exit();
  expect(program.child.signalCode, program.output).toBe('SIGKILL');
  await letGo();
  const left = await countJobs();
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(10_000);
  const done = await bring('--from', `sqlite:${old.file}`);
  expect(done, done.output).toMatchObject({ status: 0 });
  expect(done.output).toContain('0 differ, 0 are missing');
  expect(await countJobs()).toBe(10_000);
  await old.close();
});

it('leaves no copy of the database behind where it is stopped', async () => {
  const old = oldSqlite(nextFile());
  old.fill(10_000);
  const letGo = await holdSecondBatch();
  const temporary = await mkdtemp(join(folder, 'tmp-'));
  const program = new Program(['import', '--from', `sqlite:${old.file}`, '--report', report()], {
    ...env(),
    TMPDIR: temporary,
  });
  await eventually(async () => expect(await readdir(temporary)).toHaveLength(1), { within: 60_000 });
  await eventually(() => expect(program.output).toMatch(/import: (?!0 )\d+ of/), { within: 60_000 });
  program.child.kill('SIGINT');
  expect(await program.exit()).toBe(130);
  await letGo();
  expect(await readdir(temporary)).toEqual([]);
  await old.close();
});

it('begins nothing where its report cannot be written, and leaves no report of before', async () => {
  const old = oldSqlite(nextFile());
  old.fill(3);
  const told = await run(
    ['import', '--from', `sqlite:${old.file}`, '--report', join(folder, 'no/such')],
    env(),
  );
  expect(told.status).toBe(1);
  expect(told.output).toMatch(/no\/such cannot be written \(ENOENT\); name another file with --report/);
  expect(await countJobs()).toBe(0);
  await writeFile(report(), 'of before');
  expect(await bring('--from', `sqlite:${old.file}`)).toMatchObject({ status: 0 });
  expect(await readFile(report(), 'utf8')).toBe('');
  await old.close();
});

it.each([
  ['mysql://root:s3cret@host/db', 2, /--from must be sqlite:FILE or postgresql/],
  ['sqlite:/nowhere/master.db', 1, /is no file; give the path of ffmpeg-rtmp's master\.db/],
  ['postgresql://me:s3cret@127.0.0.1:1/db', 1, /ECONNREFUSED|refused|reach/],
])('refuses %s in words, and keeps its secret', async (from, status, words) => {
  const told = await bring('--from', from);
  expect(told.status).toBe(status);
  expect(told.output).toMatch(words);
  expect(told.output).not.toContain('s3cret');
});

it('asks for the schema where it is not there', async () => {
  const name = `bare_${process.pid}`;
  const admin = new pg.Client({ connectionString: db.adminDsn });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  const dsn = new URL(db.adminDsn);
  dsn.pathname = `/${name}`;
  const old = oldSqlite(nextFile());
  try {
    const told = await run(['import', '--from', `sqlite:${old.file}`, '--report', report()], {
      ...env(),
      DATABASE_DSN: dsn.toString(),
    });
    expect(told.status).toBe(1);
    expect(told.output).toMatch(/run `ffmpeg-master migrate up`/);
  } finally {
    await old.close();
    await admin.query(`DROP DATABASE ${name}`);
    await admin.end();
  }
});
