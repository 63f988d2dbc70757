/** The PostgreSQL of ffmpeg-rtmp, as it stood at one moment: one read-only transaction, read through a cursor. */
import pg from 'pg';
import { parseDsn } from '../../config/dsn.js';
import { ServerLocator } from '../../database/server-locator.js';
import {
  type ImportSource,
  ImportSourceError,
  SOURCE_TABLES,
  type SourceRow,
  type SourceTable,
} from './import-source.js';

/** Rows in memory at once: a log is a column, and of a thousand of 1 MB no process of 300 MB holds the rows. */
const FETCHED_AT_ONCE = 50;

export async function openPostgresSource(dsn: string): Promise<ImportSource> {
  const { hosts, database } = parseDsn(dsn);
  // A standby serves as well: nothing is written.
  const server = await new ServerLocator(dsn, { readWrite: false }).locate();
  const client = new pg.Client({
    ...server.config,
    application_name: 'ffmpeg-master import',
    options: '-c default_transaction_read_only=on -c datestyle=ISO -c timezone=UTC -c statement_timeout=0',
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows } = await client.query<{ table: string; columns: string[] }>(
      `SELECT c.table_name AS table, array_agg(c.column_name::text ORDER BY c.ordinal_position) AS columns
       FROM information_schema.columns c
       JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
       WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' GROUP BY c.table_name ORDER BY 1`,
    );
    const columns = new Map(rows.map((row) => [row.table, row.columns]));
    if (!columns.has('jobs') && !columns.has('nodes')) {
      throw new ImportSourceError(
        `the database ${database} is none of ffmpeg-rtmp: its schema has neither jobs nor nodes; name another database, or a user whose search_path has the schema (ALTER ROLE … SET search_path = …)`,
      );
    }
    const [first] = hosts;
    return new PostgresSource(client, `postgresql ${first?.host}/${database}`, columns);
  } catch (error) {
    await client.end();
    throw error;
  }
}

class PostgresSource implements ImportSource {
  constructor(
    private readonly client: pg.Client,
    readonly name: string,
    private readonly columns: ReadonlyMap<string, readonly string[]>,
  ) {}

  async count(table: SourceTable): Promise<number> {
    return this.columns.has(table) ? this.countRows(table) : 0;
  }

  async *rows(table: SourceTable): AsyncIterable<SourceRow> {
    const columns = this.columns.get(table);
    if (columns === undefined) return;
    // As text: numbers beyond 2^53 and microseconds stay what they are.
    const list = columns.map((name) => `${quoted(name)}::text`).join(', ');
    const order = columns.includes('id') ? 'id' : 'ctid';
    await this.client.query(
      `DECLARE import NO SCROLL CURSOR FOR SELECT ${list} FROM ${quoted(table)} ORDER BY ${order}, ctid`,
    );
    try {
      for (;;) {
        const { rows } = await this.client.query<SourceRow>(`FETCH ${FETCHED_AT_ONCE} FROM import`);
        if (rows.length === 0) return;
        yield* rows;
      }
    } finally {
      await this.client.query('CLOSE import');
    }
  }

  async highestNumber(most: bigint): Promise<string | undefined> {
    if (!this.columns.get('jobs')?.includes('sequence_number')) return undefined;
    const { rows } = await this.client.query<{ highest: string | null }>(
      'SELECT max(sequence_number)::text AS highest FROM jobs WHERE sequence_number::bigint BETWEEN 1 AND $1',
      [String(most)],
    );
    return rows[0]?.highest ?? undefined;
  }

  async repeatedIds(): Promise<string[]> {
    if (!this.columns.get('jobs')?.includes('id')) return [];
    const { rows } = await this.client.query<{ id: string | null }>(
      'SELECT lower(id::text) AS id FROM jobs GROUP BY 1 HAVING count(*) > 1',
    );
    return rows.map(({ id }) => id ?? '');
  }

  async otherTables(): Promise<{ table: string; rows: number }[]> {
    const known: readonly string[] = SOURCE_TABLES;
    const others = [...this.columns.keys()].filter((table) => !known.includes(table));
    const counted = [];
    for (const table of others) counted.push({ table, rows: await this.countRows(table) });
    return counted;
  }

  async close(): Promise<void> {
    await this.client.end();
  }

  private async countRows(table: string): Promise<number> {
    const { rows } = await this.client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${quoted(table)}`,
    );
    return rows[0]?.n ?? 0;
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
