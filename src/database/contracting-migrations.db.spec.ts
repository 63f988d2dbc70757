/** A column goes away, one version after the last that used it, while masters come and go. */
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { contractionOf, StillUsedError } from './contracting-migrations.js';
import { DatabaseStartup } from './database-startup.js';
import { migrate, migrationsDirectory, migrationStatus } from './migrations.js';

describe('a migration that takes something away (F17)', () => {
  const db = useDatabase();
  let directory: string;
  let column: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'migrations-'));
    column = `extra_${randomUUID().slice(0, 8)}`;
    await cp(migrationsDirectory, directory, { recursive: true });
    await add('add', `ALTER TABLE ffmpeg_master.queues ADD COLUMN ${column} integer;`);
    await migrate({ dsn: db.dsn, directory });
    await add('another', `ALTER TABLE ffmpeg_master.queues ADD COLUMN ${column}_too integer;`);
    await add(
      'drop',
      `-- contracts: the column queues.${column}, unused since 0.3.0\nALTER TABLE ffmpeg_master.queues DROP COLUMN ${column};`,
    );
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
    await db.pool.query(`DELETE FROM ffmpeg_master.migrations WHERE name LIKE '19%'`);
    await db.pool.query('DELETE FROM ffmpeg_master.masters');
    await db.pool.query('DELETE FROM ffmpeg_master.master_presence');
  });

  let number = 1_900_000_000_000;
  async function add(name: string, sql: string): Promise<void> {
    await writeFile(join(directory, `${(number += 1)}_${name}.sql`), `-- Up Migration\n\n${sql}\n`);
  }

  async function master(version: string, seenAgo: string): Promise<string> {
    const id = randomUUID();
    await db.pool.query(
      `INSERT INTO ffmpeg_master.masters (id, name, host, pid, url, version, started_at)
       VALUES ($1, $2, 'here', 1, 'http://here', $3, now())`,
      [id, `here:${version}`, version],
    );
    await db.pool.query(
      `INSERT INTO ffmpeg_master.master_presence (master_id, seen_at, listener) VALUES ($1, now() - $2::interval, 'up')`,
      [id, seenAgo],
    );
    return id;
  }

  async function columns(): Promise<string[]> {
    const { rows } = await db.pool.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute
       WHERE attrelid = 'ffmpeg_master.queues'::regclass AND attname LIKE $1 AND NOT attisdropped ORDER BY attnum`,
      [`${column}%`],
    );
    return rows.map(({ name }) => name);
  }

  it('waits for a living master of an older version, names it, and nothing is applied, not even what only adds', async () => {
    const old = await master('0.2.9', '20 seconds');
    await master('0.3.0', '0 seconds');
    const refused: unknown = await migrate({ dsn: db.dsn, directory }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StillUsedError);
    expect((refused as Error).message).toMatch(
      new RegExp(
        `^the migration \\d+_drop takes away the column queues.${column}, which the living master here:0.2.9 of version 0.2.9 may still use; stop all masters older than 0.3.0, or upgrade`,
      ),
    );
    expect(await columns()).toEqual([column]);
    expect((await migrationStatus(db.dsn, directory)).pending).toHaveLength(2);

    await db.pool.query('DELETE FROM ffmpeg_master.masters WHERE id = $1', [old]);
    expect(await migrate({ dsn: db.dsn, directory })).toHaveLength(2);
    expect(await columns()).toEqual([`${column}_too`]);
  });

  it('is applied beside masters of the version that does without, and beside the dead', async () => {
    await master('0.3.0', '0 seconds');
    await master('0.10.0', '0 seconds');
    await master('0.1.0', '31 seconds');
    expect(await migrate({ dsn: db.dsn, directory })).toHaveLength(2);
    expect(await columns()).toEqual([`${column}_too`]);
  });

  it('keeps nobody from a database that has it already: on the way back old masters start', async () => {
    await migrate({ dsn: db.dsn, directory });
    await master('0.1.0', '0 seconds');
    expect(await migrate({ dsn: db.dsn, directory })).toEqual([]);
    expect(await migrate({ dsn: db.dsn })).toEqual([]);
  });
});

describe('the start of a master', () => {
  const db = useDatabase();

  it('waits for older masters, says which, and ends when it is stopped', async () => {
    // What the program's own migrations take away: the newest of them, as if it were still to come.
    const { applied } = await migrationStatus(db.dsn);
    const [contracting] = (await Promise.all(applied.map(readContraction))).filter(
      (one) => one !== undefined,
    );
    if (contracting === undefined) throw new Error('no migration of the program takes anything away');
    await db.pool.query('DELETE FROM ffmpeg_master.migrations WHERE name >= $1', [contracting.migration]);
    const id = randomUUID();
    await db.pool.query(
      `INSERT INTO ffmpeg_master.masters (id, name, host, pid, url, version, started_at)
       VALUES ($1, 'old:8080', 'old', 1, 'http://old', '0.0.9', now())`,
      [id],
    );
    await db.pool.query(
      `INSERT INTO ffmpeg_master.master_presence (master_id, seen_at, listener) VALUES ($1, now(), 'up')`,
      [id],
    );
    const warnings: string[] = [];
    const { dsn } = db;
    const startup = new DatabaseStartup({
      dsn,
      directDsn: dsn,
      migrateDsn: dsn,
      log: { info: () => undefined, warn: (line) => warnings.push(line) },
      retryEvery: 20,
    });
    await startup.begin(db.database, 50);
    await eventually(() => expect(startup.phase).toBe('waiting_for_masters'));
    expect(startup.whyNotReady()).toContain('older version');
    expect(warnings).toEqual([
      expect.stringMatching(/^waiting for older masters: .* old:8080 of version 0\.0\.9 /) as string,
    ]);
    startup.stop();
    await expect(startup.whenReady()).rejects.toThrow('shutting down');
  });
});

async function readContraction(migration: string): Promise<ReturnType<typeof contractionOf>> {
  return contractionOf(migration, await readFile(join(migrationsDirectory, `${migration}.sql`), 'utf8'));
}
