/**
 * `master.db` of ffmpeg-rtmp. Read from a copy: opening a database in WAL mode writes files beside it, and a master may
 * still be at work on the original.
 */
import { constants, isUtf8 } from 'node:buffer';
import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { constants as copying } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import Database from 'libsql';
import {
  type Cell,
  type ImportSource,
  ImportSourceError,
  SOURCE_TABLES,
  type SourceRow,
  type SourceTable,
} from './import-source.js';

/** A master that writes all the time would let us copy for ever. */
const TRIES = 5;

export async function openSqliteSource(file: string): Promise<ImportSource> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    throw new ImportSourceError(
      `${file} is no file; give the path of ffmpeg-rtmp's master.db: --from sqlite:master.db`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'ffmpeg-master-import-'));
  let database: Database.Database | undefined;
  try {
    const copy = join(folder, 'master.db');
    await copyAtRest(file, copy);
    database = new Database(copy);
    // The first statement finishes what the WAL holds, in the copy.
    const tables = readTables(database);
    if (!tables.has('jobs') && !tables.has('nodes')) {
      throw new ImportSourceError(`${file} is no database of ffmpeg-rtmp: it has neither jobs nor nodes`);
    }
    database.exec('PRAGMA query_only = ON');
    return new SqliteSource(database, `sqlite ${basename(file)}`, folder, tables);
  } catch (error) {
    database?.close();
    await rm(folder, { recursive: true, force: true });
    if (error instanceof ImportSourceError) throw error;
    throw new ImportSourceError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

class SqliteSource implements ImportSource {
  constructor(
    private readonly database: Database.Database,
    readonly name: string,
    private readonly folder: string,
    private readonly tables: ReadonlySet<string>,
  ) {}

  async count(table: SourceTable): Promise<number> {
    return this.tables.has(table) ? this.countRows(table) : 0;
  }

  async *rows(table: SourceTable): AsyncIterable<SourceRow> {
    if (!this.tables.has(table)) return;
    // As bytes: the library aborts the whole process at a text that is not UTF-8.
    const columns = this.columns(table).map(
      (name) => `CASE typeof(${name}) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END AS ${name}`,
    );
    const all = this.database.prepare(`SELECT ${columns.join(', ')} FROM ${quoted(table)} ORDER BY rowid`);
    for (const row of all.safeIntegers(true).iterate()) yield readRow(row as Record<string, unknown>);
  }

  async highestNumber(most: bigint): Promise<string | undefined> {
    if (!this.tables.has('jobs') || !this.columns('jobs').includes('"sequence_number"')) return undefined;
    const row = this.database
      .prepare(
        `SELECT CAST(max(sequence_number) AS TEXT) AS highest FROM jobs
         WHERE typeof(sequence_number) = 'integer' AND sequence_number BETWEEN 1 AND ${most}`,
      )
      .get() as { highest: string | null };
    return row.highest ?? undefined;
  }

  async repeatedIds(): Promise<string[]> {
    if (!this.tables.has('jobs')) return [];
    const rows = this.database
      .prepare(`SELECT CAST(lower(id) AS BLOB) AS id FROM jobs GROUP BY lower(id) HAVING count(*) > 1`)
      .all() as { id: ArrayBuffer | Uint8Array | null }[];
    return rows.map(({ id }) => (id === null ? '' : new TextDecoder().decode(id)));
  }

  async otherTables(): Promise<{ table: string; rows: number }[]> {
    const known: readonly string[] = SOURCE_TABLES;
    return [...this.tables]
      .filter((table) => !known.includes(table))
      .map((table) => ({ table, rows: this.countRows(table) }));
  }

  async close(): Promise<void> {
    this.database.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  private columns(table: string): string[] {
    const rows = this.database
      .prepare(`SELECT name FROM pragma_table_info('${table.replaceAll("'", "''")}')`)
      .all();
    return (rows as { name: string }[]).map(({ name }) => quoted(name));
  }

  private countRows(table: string): number {
    const row = this.database.prepare(`SELECT count(*) AS n FROM ${quoted(table)}`).get() as { n: number };
    return row.n;
  }
}

/** With its WAL, as both stood at one moment: a checkpoint between the two copies would tear them apart. */
async function copyAtRest(file: string, copy: string): Promise<void> {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const before = await stateOf(file);
    await copyFile(file, copy, copying.COPYFILE_FICLONE);
    const hasWal = await copyFile(`${file}-wal`, `${copy}-wal`, copying.COPYFILE_FICLONE).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );
    if (!hasWal) await rm(`${copy}-wal`, { force: true });
    if ((await stateOf(file)) === before) return;
  }
  throw new ImportSourceError(
    `${file} changed while it was copied, ${TRIES} times: stop the master of ffmpeg-rtmp and try again`,
  );
}

async function stateOf(file: string): Promise<string> {
  const states = [file, `${file}-wal`].map(async (path) => {
    const found = await stat(path, { bigint: true }).catch(() => undefined);
    return found === undefined ? 'none' : `${found.size} ${found.mtimeNs}`;
  });
  return (await Promise.all(states)).join(' ');
}

function readTables(database: Database.Database): Set<string> {
  const rows = database
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`)
    .all() as { name: string }[];
  return new Set(rows.map(({ name }) => name));
}

/** The library hands bytes out as ArrayBuffer here, and as Buffer where a statement has one row. */
function readRow(row: Record<string, unknown>): SourceRow {
  const cells: Record<string, Cell> = {};
  for (const [name, cell] of Object.entries(row)) {
    cells[name] = cell instanceof ArrayBuffer ? textOf(Buffer.from(cell)) : ((cell ?? null) as Cell);
  }
  return cells;
}

/** As it is where it is no text, or longer than a string may be. */
function textOf(bytes: Buffer): string | Uint8Array {
  return isUtf8(bytes) && bytes.length <= constants.MAX_STRING_LENGTH ? bytes.toString('utf8') : bytes;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
