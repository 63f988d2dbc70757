import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { withDatabase } from '../../test/support/dsn.js';
import { eventually } from '../../test/support/eventually.js';
import { isConnectionLost } from './sql-errors.js';
import { migrate, migrationsDirectory, migrationStatus, waitForSchema } from './migrations.js';

const server = inject('postgres');

/** What psql sends for `\dt`. */
const describeTables = `
  SELECT n.nspname AS "Schema", c.relname AS "Name"
  FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r','p','') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast'
    AND n.nspname <> 'information_schema' AND pg_catalog.pg_table_is_visible(c.oid)`;

describe('migrations', () => {
  let suffix: string;
  let database: string;
  let roles: string[];
  let admin: pg.Client;
  let dsn: string;

  /** Exactly what the migration guide prints for a native installation, with names of the test's own. */
  beforeEach(async () => {
    suffix = randomBytes(5).toString('hex');
    database = `guide_${suffix}`;
    roles = [`ffmpeg_${suffix}`];
    admin = await connect(server.adminDsn);
    await admin.query(`CREATE DATABASE ${database}`);
    await admin.query(`CREATE USER ${roles[0]} WITH PASSWORD 'your_secure_password'`);
    await admin.query(`GRANT ALL PRIVILEGES ON DATABASE ${database} TO ${roles[0]}`);
    dsn = as(roles[0] ?? '');
  });

  afterEach(async () => {
    await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
    for (const role of roles) await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });

  function as(role: string): string {
    const url = new URL(withDatabase(server.dsn, database));
    url.username = role;
    url.password = 'your_secure_password';
    return url.toString();
  }

  async function addRole(name: string): Promise<string> {
    const role = `${name}_${suffix}`;
    await admin.query(`CREATE USER ${role} WITH PASSWORD 'your_secure_password'`);
    roles.push(role);
    return role;
  }

  it('run under the grants of the guide, whose commands then work for a new session', async () => {
    const lines: string[] = [];
    const applied = await migrate({ dsn, log: (line) => lines.push(line) });
    expect(applied[0]).toMatch(/^\d+_schema$/);
    expect(lines).toEqual(applied.map((name) => `applied the migration ${name}`));

    const session = await connect(dsn);
    expect((await session.query('SELECT COUNT(*) FROM jobs')).rows).toEqual([{ count: '0' }]);
    expect((await session.query(describeTables)).rows).toContainEqual({
      Schema: 'ffmpeg_master',
      Name: 'jobs',
    });
    const { rows } = await session.query<{ path: string; statement: string; lock: string; idle: string }>(
      `SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS statement,
              current_setting('lock_timeout') AS lock,
              current_setting('idle_in_transaction_session_timeout') AS idle`,
    );
    expect(rows).toEqual([{ path: 'ffmpeg_master, public', statement: '5s', lock: '2s', idle: '5s' }]);
    await session.end();
  });

  it('are applied by one of many that start at once, and all come up (F16)', async () => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => migrate({ dsn })));
    expect(outcomes.filter((applied) => applied.length > 0)).toHaveLength(1);
    expect(await migrationStatus(dsn)).toMatchObject({ pending: [], unknown: [] });
  });

  it('change nothing and lock nothing when there is nothing to do', async () => {
    await migrate({ dsn });
    const holder = await connect(dsn);
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE ffmpeg_master.migrations IN ROW EXCLUSIVE MODE');
    const settings = `SELECT xmin, setconfig FROM pg_db_role_setting WHERE setrole = '${roles[0]}'::regrole`;
    const before = await admin.query<object>(settings);
    expect(await migrate({ dsn })).toEqual([]);
    expect((await admin.query<object>(settings)).rows).toEqual(before.rows);
    await holder.end();
  });

  it('keep function bodies whole, come all or not at all, and tell what is pending and unknown', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'migrations-'));
    try {
      const good = `-- Up Migration
CREATE FUNCTION ffmpeg_master.twice(n integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  -- a ; and a {brace} and a 'quote'
  RETURN n * 2;
END $$;
CREATE TABLE ffmpeg_master.one (n integer);
-- Down Migration
DROP TABLE ffmpeg_master.one;
`;
      await writeFile(join(directory, '1700000000001_good.sql'), good);
      await writeFile(join(directory, '1700000000002_bad.sql'), '-- Up Migration\nSELECT 1 / 0;\n');
      await expect(migrate({ dsn, directory })).rejects.toMatchObject({ code: '22012' });
      expect(await migrationStatus(dsn, directory)).toMatchObject({
        applied: [],
        pending: ['1700000000001_good', '1700000000002_bad'],
      });
      await rm(join(directory, '1700000000002_bad.sql'));
      expect(await migrate({ dsn, directory })).toEqual(['1700000000001_good']);
      const session = await connect(dsn);
      expect((await session.query('SELECT twice(21) AS answer')).rows).toEqual([{ answer: 42 }]);
      await session.end();
      await rm(join(directory, '1700000000001_good.sql'));
      expect(await migrationStatus(dsn, directory)).toMatchObject({ unknown: ['1700000000001_good'] });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('leave nothing behind when the migrating process is killed in the middle (F16)', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'migrations-'));
    try {
      const slow = '-- Up Migration\nCREATE TABLE ffmpeg_master.slow (n integer); SELECT pg_sleep(30);\n';
      await writeFile(join(directory, '1_slow.sql'), slow);
      const killed = migrate({ dsn, directory }).catch((error: unknown) => error);
      await eventually(async () => {
        const { rows } = await admin.query<{ cut: boolean }>(
          `SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()`,
          [database],
        );
        expect(rows).toEqual([{ cut: true }]);
      });
      expect(isConnectionLost(await killed)).toBe(true);
      expect((await migrationStatus(dsn, directory)).applied).toEqual([]);
      await writeFile(
        join(directory, '1_slow.sql'),
        '-- Up Migration\nCREATE TABLE ffmpeg_master.slow (n integer);\n',
      );
      expect(await migrate({ dsn, directory })).toEqual(['1_slow']);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('step back from a table that is in use and come again', async () => {
    await migrate({ dsn });
    const directory = await mkdtemp(join(tmpdir(), 'migrations-'));
    try {
      await cp(migrationsDirectory, directory, { recursive: true });
      const alter = '-- Up Migration\nALTER TABLE ffmpeg_master.queues ADD COLUMN extra integer;\n';
      await writeFile(join(directory, '1900000000000_alter.sql'), alter);
      const reader = await connect(dsn);
      await reader.query('BEGIN');
      await reader.query('SELECT * FROM ffmpeg_master.queues');
      const lines: string[] = [];
      const migrated = migrate({ dsn, directory, tableLockTimeoutMs: 50, log: (line) => lines.push(line) });
      await eventually(() => expect(lines.join()).toContain('waits for a table that is in use'));
      await reader.end();
      expect(await migrated).toEqual(['1900000000000_alter']);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('keep nobody from one table while they wait for another, on the schema of 0.1.0 (I13)', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'migrations-'));
    try {
      const released = '1700000000001_schema.sql';
      await cp(join(migrationsDirectory, released), join(directory, released));
      await migrate({ dsn, directory });
      const reader = await connect(dsn);
      await reader.query('BEGIN');
      await reader.query('SELECT FROM ffmpeg_master.jobs');
      const lines: string[] = [];
      const migrated = migrate({ dsn, log: (line) => lines.push(line) });
      await eventually(async () => {
        const { rows } = await admin.query(`SELECT FROM pg_locks WHERE relation = $1::oid AND NOT granted`, [
          (await reader.query<{ oid: number }>(`SELECT 'ffmpeg_master.jobs'::regclass::oid AS oid`)).rows[0]
            ?.oid,
        ]);
        expect(rows).toHaveLength(1);
      });
      await reader.query('LOCK TABLE ffmpeg_master.job_history, ffmpeg_master.leases IN ROW EXCLUSIVE MODE');
      await reader.query('COMMIT');
      expect(await migrated).not.toEqual([]);
      expect(lines.join()).not.toContain('waits');
      await reader.end();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('grant a master of another role what it needs, and no more', async () => {
    const master = await addRole('master');
    const lines: string[] = [];
    await migrate({ dsn, masterRole: master, log: (line) => lines.push(line) });
    expect(lines.join('\n')).toContain(`let a superuser run: ALTER ROLE "${master}"`);
    const session = await connect(as(master));
    await session.query('SELECT count(*) FROM ffmpeg_master.jobs');
    await session.query(`SELECT nextval('ffmpeg_master.lease_tokens')`);
    await session.query('SELECT ffmpeg_master.make_partitions(7)');
    await expect(session.query('DROP TABLE ffmpeg_master.jobs')).rejects.toMatchObject({ code: '42501' });
    await expect(session.query('DELETE FROM ffmpeg_master.migrations')).rejects.toMatchObject({
      code: '42501',
    });
    await session.end();
  });

  it('let a master that may not migrate wait for the schema, and say so', async () => {
    const master = await addRole('waiting');
    const refused: unknown = await migrate({ dsn: as(master) }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: '42501' });
    expect((refused as Error).message).toContain('database.migrate_dsn');

    const lines: string[] = [];
    let ready = false;
    const waiting = waitForSchema({
      dsn: as(master),
      log: (line) => lines.push(line),
      every: 20,
      logEvery: 60_000,
    }).then(() => (ready = true));
    await eventually(() => expect(lines).toHaveLength(1));
    expect(lines[0]).toMatch(
      /waiting for the database schema: .*_schema.* not applied yet; run `ffmpeg-master migrate up`/,
    );
    expect(ready).toBe(false);
    await migrate({ dsn, masterRole: master });
    await waiting;
    expect(lines).toHaveLength(1);
  });

  it('stop waiting when they are told to', async () => {
    const stop = new AbortController();
    const waiting = waitForSchema({
      dsn,
      log: () => stop.abort(new Error('enough')),
      every: 20,
      signal: stop.signal,
    });
    await expect(waiting).rejects.toThrow('enough');
  });
});

/** docs/database.md is what people with psql go by: its tables say what a migrated database has, and no more. */
describe('docs/database.md', () => {
  const db = useDatabase();
  const page = readFileSync(join(import.meta.dirname, '../../docs/database.md'), 'utf8');

  /** Of each row of the table below a heading, the texts in backticks of its first columns, joined. */
  function rowsBelow(heading: string, columns: number): string[] {
    const [, section = ''] = page.split(`\n## ${heading}\n`);
    const table = section.slice(0, section.search(/\n## |$(?![^])/));
    const rows = [...table.matchAll(/^\| (`.*) \|$/gm)].map(([, row = '']) => row.split(' | '));
    return rows.map((cells) => cells.slice(0, columns).join(' ').replaceAll('`', '')).sort();
  }

  async function column(sql: string): Promise<string[]> {
    const { rows } = await db.pool.query<{ text: string }>(sql);
    return rows.map(({ text }) => text).sort();
  }

  it('names every table', async () => {
    const tables = rowsBelow('Tables', 1).flatMap((cell) => cell.split(', '));
    const found = await column(
      `SELECT c.relname AS text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND ${OURS}`,
    );
    expect(tables.sort()).toEqual(found);
  });

  it('names every index with what it is on', async () => {
    const found = await column(
      `SELECT concat_ws(' ', c.relname, i.relname, regexp_replace(pg_get_indexdef(i.oid), '.* USING (btree )?', '')) AS text
       FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid WHERE ${OURS}`,
    );
    expect(rowsBelow('Indexes', 3)).toEqual(found);
  });

  it('tells how each table is stored and cleaned where that is not as usual', async () => {
    const found = await column(
      `SELECT c.relname || ' ' || array_to_string(c.reloptions, ', ') AS text FROM pg_class c
       WHERE c.reloptions IS NOT NULL AND ${OURS}`,
    );
    const told = rowsBelow('Storage', 2).flatMap((row) => {
      const [, tables = '', options = ''] = /^(.*?) (\S+=.*)$/.exec(row) ?? [];
      return tables.split(', ').map((table) => `${table} ${options}`);
    });
    expect(told.sort()).toEqual(found);
  });
});

/** What a person looks at: no partition, and not the list of migrations. */
const OURS = `c.relnamespace = 'ffmpeg_master'::regnamespace AND NOT c.relispartition AND c.relname <> 'migrations'`;

async function connect(dsn: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  return client;
}
