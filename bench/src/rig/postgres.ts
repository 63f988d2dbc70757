/** The PostgreSQL of one suite: a server of its own, durable, with the settings that the guide prints. */
import pg from 'pg';
import { startTestPostgres, type TestPostgres } from '../../../test/support/test-postgres.js';

/** What the guide recommends, with everything on that makes a commit last. */
export const SERVER_SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '256MB',
  wal_buffers: '16MB',
  work_mem: '16MB',
  maintenance_work_mem: '64MB',
  effective_cache_size: '1GB',
  random_page_cost: '1.1',
  max_connections: '100',
  max_wal_size: '4GB',
  checkpoint_completion_target: '0.9',
  autovacuum_naptime: '1min',
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track': 'top',
} as const;

export class BenchPostgres {
  private databases = 0;

  private constructor(private readonly server: TestPostgres) {}

  static async start(): Promise<BenchPostgres> {
    const server = await startTestPostgres({ major: 15, settings: SERVER_SETTINGS });
    const postgres = new BenchPostgres(server);
    await postgres.admin('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    return postgres;
  }

  get pid(): number {
    return this.server.pid;
  }

  /** A new, empty database; answers its DSN. */
  async database(): Promise<string> {
    const name = `bench_${(this.databases += 1)}`;
    const url = new URL(this.server.dsn);
    await this.admin(`CREATE DATABASE ${name} OWNER ${decodeURIComponent(url.username)}`);
    url.pathname = `/${name}`;
    await queryOnce(this.adminDsn(url.toString()), 'CREATE EXTENSION IF NOT EXISTS pgcrypto').catch(
      () => undefined,
    );
    return url.toString();
  }

  async drop(dsn: string): Promise<void> {
    await this.admin(`DROP DATABASE ${new URL(dsn).pathname.slice(1)} WITH (FORCE)`);
  }

  /** The same database as the superuser. */
  adminDsn(dsn: string): string {
    const url = new URL(this.server.adminDsn);
    url.pathname = new URL(dsn).pathname;
    return url.toString();
  }

  /** Runs one statement as the superuser, in the database of the extension. */
  admin<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return queryOnce<Row>(this.server.adminDsn, sql, values);
  }

  /**
   * Calls and server time in milliseconds of statements whose text matches, since the last reset; of one
   * database where its DSN is given.
   */
  async statements(
    pattern: string,
    dsn?: string,
  ): Promise<{ calls: number; mean_ms: number; total_ms: number; rows: number }> {
    const [row] = await this.admin<{ calls: number; total: number; rows: number }>(
      `SELECT coalesce(sum(calls), 0)::float8 AS calls, coalesce(sum(total_exec_time), 0) AS total,
              coalesce(sum(rows), 0)::float8 AS rows
       FROM pg_stat_statements
       WHERE query ~ $1 AND ($2::name IS NULL OR dbid = (SELECT oid FROM pg_database WHERE datname = $2))`,
      [pattern, dsn === undefined ? null : new URL(dsn).pathname.slice(1)],
    );
    const { calls = 0, total = 0, rows = 0 } = row ?? {};
    return { calls, total_ms: total, mean_ms: calls > 0 ? total / calls : 0, rows };
  }

  /**
   * Runs a fill so that what is measured next begins alike for everybody: the next timed checkpoint is minutes
   * away, and autovacuum has been there.
   */
  async fill(dsn: string, fill: () => Promise<unknown>): Promise<void> {
    await this.admin('CHECKPOINT');
    await fill();
    await queryOnce(this.adminDsn(dsn), 'VACUUM (ANALYZE)');
  }

  async resetStatements(): Promise<void> {
    await this.admin('SELECT pg_stat_statements_reset()');
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

/** Opens a session for one statement. */
export async function queryOnce<Row extends pg.QueryResultRow>(
  dsn: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
