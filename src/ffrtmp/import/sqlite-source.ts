/**
 * `master.db` of ffmpeg-rtmp. Read from a copy: opening a database in WAL mode writes files beside it, and a master may
 * still be at work on the original.
 */
import { constants, isUtf8 } from 'node:buffer';
import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { constants as copying, rmSync } from 'node:fs';
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
  // Also where a signal ends the import: the copy is as large as the database, and as secret.
  const removeAtExit = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeAtExit);
  const remove = async () => {
    await rm(folder, { recursive: true, force: true });
    process.off('exit', removeAtExit);
  };
  let database: Database.Database | undefined;
  try {
    const copy = join(folder, 'master.db');
    await copyAtRest(file, copy);
    database = new Database(copy);
    // The first statement finishes what the WAL holds, or takes back what the journal tells, in the copy.
    const tables = readTables(database);
    if (!tables.has('jobs') && !tables.has('nodes')) {
      throw new ImportSourceError(`${file} is no database of ffmpeg-rtmp: it has neither jobs nor nodes`);
    }
    // What sorts a million ids took 110 MB of the process otherwise, and kept them.
    database.exec('PRAGMA temp_store = FILE; PRAGMA query_only = ON');
    return new SqliteSource(database, `sqlite ${basename(file)}`, remove, tables);
  } catch (error) {
    database?.close();
    await remove();
    if (error instanceof ImportSourceError) throw error;
    throw new ImportSourceError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

class SqliteSource implements ImportSource {
  constructor(
    private readonly database: Database.Database,
    readonly name: string,
    private readonly remove: () => Promise<void>,
    private readonly tables: ReadonlySet<string>,
  ) {}

  async count(table: SourceTable): Promise<number> {
    return this.tables.has(table) ? this.countRows(table) : 0;
  }

  async *rows(table: SourceTable): AsyncIterable<SourceRow> {
    if (!this.tables.has(table)) return;
    const columns = this.columns(table);
    const names = columns.map(unquoted);
    const all = this.database.prepare(
      `SELECT rowid AS number, CASE WHEN 'blob' IN (${columns.map((name) => `typeof(${name})`).join(', ')}) THEN NULL
              ELSE CAST(json_array(${columns.map(asText).join(', ')}) AS BLOB) END AS cells
       FROM ${quoted(table)} ORDER BY rowid`,
    );
    const one = this.database.prepare(
      `SELECT ${columns.map(asBytes).join(', ')} FROM ${quoted(table)} WHERE rowid = ?`,
    );
    for (const row of all.safeIntegers(true).iterate()) {
      const { number, cells } = row as { number: bigint; cells: ArrayBuffer | null };
      yield cells !== null && isUtf8(cells)
        ? fromCells(names, JSON.parse(Buffer.from(cells).toString('utf8')) as (string | null)[])
        : fromBytes(names, one.safeIntegers(true).get(number) as Record<string, unknown>);
    }
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
    await this.remove();
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

/** What may lie beside it: the WAL, or the journal by which a transaction that was cut off is taken back. */
const BESIDE = ['-wal', '-journal'];

/** With these, as all stood at one moment: a checkpoint or a commit between two copies would tear them apart. */
async function copyAtRest(file: string, copy: string): Promise<void> {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const before = await stateOf(file);
    await copyFile(file, copy, copying.COPYFILE_FICLONE);
    for (const name of BESIDE) await copyIfThere(`${file}${name}`, `${copy}${name}`);
    if ((await stateOf(file)) === before) return;
  }
  throw new ImportSourceError(
    `${file} changed while it was copied, ${TRIES} times: stop the master of ffmpeg-rtmp and try again`,
  );
}

async function copyIfThere(file: string, copy: string): Promise<void> {
  try {
    await copyFile(file, copy, copying.COPYFILE_FICLONE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await rm(copy, { force: true });
  }
}

async function stateOf(file: string): Promise<string> {
  const states = [file, ...BESIDE.map((name) => `${file}${name}`)].map(async (path) => {
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

/**
 * A row is one JSON array as bytes: cell by cell it took twice as long. As bytes, for the library aborts the whole process
 * at a text that is not UTF-8; such a row is read again, cell by cell. Numbers as text, which keeps those beyond 2^53.
 */
function asText(column: string): string {
  return `CASE WHEN typeof(${column}) IN ('integer', 'real') THEN CAST(${column} AS TEXT) ELSE ${column} END`;
}

function asBytes(column: string): string {
  return `CASE typeof(${column}) WHEN 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END AS ${column}`;
}

function fromCells(names: readonly string[], cells: readonly (string | null)[]): SourceRow {
  const row: Record<string, Cell> = {};
  for (const [index, name] of names.entries()) row[name] = cells[index] ?? null;
  return row;
}

/** The library hands bytes out as ArrayBuffer, or as Buffer. */
function fromBytes(names: readonly string[], row: Record<string, unknown>): SourceRow {
  const cells: Record<string, Cell> = {};
  for (const name of names) {
    const cell = row[name];
    const isBytes = cell instanceof ArrayBuffer || cell instanceof Uint8Array;
    cells[name] = isBytes ? textOf(new Uint8Array(cell)) : ((cell ?? null) as Cell);
  }
  return cells;
}

/** As it is where it is no text, or longer than a string may be. */
function textOf(bytes: Uint8Array): string | Uint8Array {
  return isUtf8(bytes) && bytes.length <= constants.MAX_STRING_LENGTH
    ? Buffer.from(bytes).toString('utf8')
    : bytes;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function unquoted(name: string): string {
  return name.slice(1, -1).replaceAll('""', '"');
}
