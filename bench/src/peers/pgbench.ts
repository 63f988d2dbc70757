/**
 * The limit: what PostgreSQL does where nothing but SQL is in the way. Each client of pgbench claims 100
 * jobs and moves these 100 to a history table, a transaction each, from a queue that is one table with one
 * partial index in claim order. No node, no lease, no event, no limit of slots.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Drained } from './peer.js';

/** Of Debian's package; else any on the path. Undefined where there is none. */
export function findPgbench(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return [
    ...versions.map((version) => join(debian, version, 'bin/pgbench')),
    ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'pgbench')),
  ].find((file) => existsSync(file));
}

const TABLES = `
  CREATE TABLE queue (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    priority   smallint NOT NULL,
    status     text NOT NULL,
    payload    jsonb NOT NULL,
    worker     text,
    attempt    integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX queue_waiting ON queue (name, priority DESC, id) WHERE status = 'queued';
  CREATE TABLE history (LIKE queue, completed_at timestamptz NOT NULL);
  CREATE INDEX history_id ON history (id);`;

/** ARRAY(), as `IN (SELECT … LIMIT …)` is planned 50 times worse; the ids come back as a worker has them. */
const SCRIPT = `
WITH claimed AS (
  UPDATE queue SET status = 'running', worker = :client_id::text, attempt = attempt + 1,
                   lease_until = now() + interval '30 s'
  WHERE id = ANY(ARRAY(SELECT id FROM queue WHERE name = 'default' AND status = 'queued'
                       ORDER BY priority DESC, id LIMIT 100 FOR UPDATE SKIP LOCKED))
  RETURNING id
) SELECT array_agg(id) AS ids FROM claimed \\gset
WITH done AS (
  DELETE FROM queue WHERE id = ANY((:ids)::bigint[]) AND status = 'running' AND worker = :client_id::text RETURNING *
) INSERT INTO history SELECT done.*, now() FROM done;
`;

/** Makes the tables anew, with so many jobs that wait. */
export async function fillForPgbench(dsn: string, jobs: number): Promise<void> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  await client.query('DROP TABLE IF EXISTS queue, history');
  await client.query(TABLES);
  await client.query(
    `INSERT INTO queue (name, priority, status, payload)
     SELECT 'default', 0, 'queued', '{"scenario": "bench"}' FROM generate_series(1, $1::int)`,
    [jobs],
  );
  await client.end();
}

/** Drains the queue. The jobs must divide evenly over the clients. */
export async function runPgbench(
  program: string,
  dsn: string,
  { clients, jobs }: { clients: number; jobs: number },
): Promise<Drained> {
  const folder = await mkdtemp(join(tmpdir(), 'ffmpeg-master-pgbench-'));
  try {
    const script = join(folder, 'claim-and-archive.sql');
    await writeFile(script, SCRIPT);
    const { stdout } = await promisify(execFile)(program, [
      ...['--no-vacuum', '--protocol', 'prepared', '--file', script],
      ...['--client', String(clients), '--jobs', String(Math.min(2, clients))],
      ...['--transactions', String(jobs / 100 / clients)],
      dsn,
    ]);
    const rate = /tps = ([\d.]+)/.exec(stdout)?.[1];
    if (rate === undefined) throw new Error(`pgbench did not tell its rate:\n${stdout}`);
    await expectAllArchived(dsn, jobs);
    return { jobs, seconds: jobs / 100 / Number(rate) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function expectAllArchived(dsn: string, jobs: number): Promise<void> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  const { rows } = await client.query<{ archived: number }>('SELECT count(*)::int AS archived FROM history');
  await client.end();
  if (rows[0]?.archived !== jobs) throw new Error(`pgbench archived ${rows[0]?.archived} of ${jobs} jobs`);
}
