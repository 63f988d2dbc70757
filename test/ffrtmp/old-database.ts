/** Databases as ffmpeg-rtmp makes them (its schemas, in its drivers' spellings), for imports to read. */
import { rm } from 'node:fs/promises';
import Database from 'libsql';
import pg from 'pg';

export type OldRow = Readonly<Record<string, string | number | bigint | Uint8Array | null>>;

const JOBS = `id, sequence_number, scenario, confidence, engine, parameters, status, queue, priority, progress, node_id, created_at,
  started_at, last_activity_at, completed_at, retry_count, max_retries, retry_reason, error, failure_reason, logs, state_transitions`;

const SQLITE_NODES = `CREATE TABLE nodes (
  id TEXT PRIMARY KEY, name TEXT DEFAULT '', address TEXT NOT NULL, type TEXT NOT NULL, cpu_threads INTEGER, cpu_model TEXT,
  cpu_load_percent REAL DEFAULT 0, has_gpu BOOLEAN, gpu_type TEXT, gpu_capabilities TEXT, ram_total_bytes INTEGER DEFAULT 0,
  ram_free_bytes INTEGER DEFAULT 0, labels TEXT, status TEXT NOT NULL, last_heartbeat DATETIME, registered_at DATETIME,
  current_job_id TEXT)`;

/** @param key what the id is; a database of somebody's own making may have none */
const sqliteJobs = (key: string): string => `CREATE TABLE jobs (
  id TEXT ${key}, sequence_number INTEGER, scenario TEXT NOT NULL, confidence TEXT, engine TEXT DEFAULT 'auto', parameters TEXT,
  status TEXT NOT NULL, queue TEXT DEFAULT 'default', priority TEXT DEFAULT 'medium', progress INTEGER DEFAULT 0, node_id TEXT,
  created_at DATETIME, started_at DATETIME, last_activity_at DATETIME, completed_at DATETIME, retry_count INTEGER DEFAULT 0,
  max_retries INTEGER DEFAULT 3, retry_reason TEXT, error TEXT, failure_reason TEXT, logs TEXT, state_transitions TEXT)`;

export interface OldSqlite {
  readonly file: string;
  readonly database: Database.Database;
  add(table: 'jobs' | 'nodes', row: OldRow): void;
  /** So many completed jobs, numbered from 1, made by the database itself. */
  fill(count: number): void;
  /** As the master's exit leaves it; without, its WAL lies beside it. */
  close(): Promise<void>;
}

export function oldSqlite(file: string, { wal = true, unique = true } = {}): OldSqlite {
  const database = new Database(file);
  if (wal) database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
  database.exec(SQLITE_NODES);
  database.exec(sqliteJobs(unique ? 'PRIMARY KEY' : ''));
  if (unique) database.exec('CREATE UNIQUE INDEX idx_jobs_sequence_number ON jobs(sequence_number)');
  database.exec('CREATE INDEX idx_jobs_status ON jobs(status)');
  return {
    file,
    database,
    add(table, row) {
      const names = Object.keys(row);
      database
        .prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
        .run(...Object.values(row));
    },
    fill(count) {
      database.exec(
        `INSERT INTO jobs (${JOBS})
         WITH RECURSIVE number(n) AS (SELECT 1 WHERE ${count} > 0 UNION ALL SELECT n + 1 FROM number WHERE n < ${count})
         SELECT printf('%08x-0000-4000-8000-%012x', n * 2654435761 % 4294967296, n), n, '1080p30-h264', 'auto', 'auto',
                '{"bitrate":"5000k","duration":' || (n % 600) || '}', 'completed', 'default', 'medium', 100,
                '11111111-1111-4111-8111-111111111111', '2026-01-07 10:00:00.123456789+01:00', '2026-01-07 10:00:01+01:00',
                '2026-01-07 10:00:02+01:00', '2026-01-07 10:00:03+01:00', 0, 3, '', '', '', 'frame=' || n,
                '[{"from":"pending","to":"assigned","timestamp":"2026-01-07T10:00:01+01:00","reason":"Assigned to node"}]'
         FROM number`,
      );
    },
    close: async () => {
      database.close();
      await rm(`${file}-shm`, { force: true });
    },
  };
}

/** The schema of ffmpeg-rtmp's PostgreSQL store, in a database that is empty. */
export const OLD_POSTGRES_SCHEMA = `
  CREATE TABLE tenants (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, display_name TEXT, status TEXT DEFAULT 'active',
    plan TEXT DEFAULT 'free', quotas JSONB, usage JSONB, metadata JSONB, created_at TIMESTAMP, updated_at TIMESTAMP, expires_at TIMESTAMP);
  CREATE TABLE nodes (id TEXT PRIMARY KEY, name TEXT DEFAULT '', tenant_id TEXT REFERENCES tenants ON DELETE CASCADE,
    address TEXT UNIQUE NOT NULL, type TEXT, cpu_threads INT, cpu_model TEXT, cpu_load_percent REAL DEFAULT 0, has_gpu BOOLEAN,
    gpu_type TEXT, gpu_capabilities JSONB, ram_total_bytes BIGINT DEFAULT 0, ram_free_bytes BIGINT DEFAULT 0, labels JSONB,
    status TEXT, last_heartbeat TIMESTAMP, registered_at TIMESTAMP, current_job_id TEXT);
  CREATE TABLE jobs (id TEXT PRIMARY KEY, sequence_number INT UNIQUE, tenant_id TEXT REFERENCES tenants ON DELETE CASCADE,
    scenario TEXT, confidence TEXT, engine TEXT DEFAULT 'auto', parameters JSONB, status TEXT, queue TEXT DEFAULT 'default',
    priority TEXT DEFAULT 'medium', progress INT DEFAULT 0, node_id TEXT, created_at TIMESTAMP, started_at TIMESTAMP,
    last_activity_at TIMESTAMP, completed_at TIMESTAMP, retry_count INT DEFAULT 0, max_retries INT DEFAULT 3, retry_reason TEXT,
    error TEXT, failure_reason TEXT, logs TEXT, state_transitions JSONB);
  INSERT INTO tenants (id, name, display_name, plan, created_at) VALUES ('default', 'default', 'Default', 'enterprise', now());
`;

export async function fillOldPostgres(dsn: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  try {
    await client.query('DROP TABLE IF EXISTS jobs, nodes, tenants');
    await client.query(OLD_POSTGRES_SCHEMA);
    await client.query(sql);
  } finally {
    await client.end();
  }
}
