/** A database with a leader in office, jobs and leases put there by hand: what the specs of duties begin from. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { PooledDatabase } from '../../src/database/pooled-database.js';
import { FencedStatements } from '../../src/duties/fenced-statements.repository.js';
import type { Term } from '../../src/leadership/leadership.js';
import { type TestDatabase, useDatabase } from './database.js';
import { LocalSignals } from './local-signals.js';

export interface DutyStage {
  readonly database: TestDatabase;
  readonly pool: PooledDatabase;
  readonly statements: FencedStatements;
  readonly signals: LocalSignals;
  readonly term: Term;
  /** Runs a statement and answers its rows. */
  sql<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  insertJob(columns?: Record<string, unknown>): Promise<string>;
  /** A job in the hands of `node`, its lease and the counters. Times are intervals from now, such as `-1 minute`. */
  insertAttempt(attempt?: AttemptOptions): Promise<{ job: string; token: number }>;
  /**
   * Many running attempts of one new node, limited to 10 s each: their leases end, and their clocks began, so many
   * seconds from now. In one statement: a stage that takes 5 s to set looks like an outage to the duties.
   */
  insertAttempts(count: number, expires: number, began: number): Promise<void>;
  insertNode(columns?: Record<string, unknown>): Promise<string>;
  events(job: string): Promise<string[]>;
}

export interface AttemptOptions {
  readonly node?: string;
  readonly job?: Record<string, unknown>;
  readonly expires?: string;
  readonly lease?: Record<string, unknown>;
}

export function useDutyStage(): DutyStage {
  const database = useDatabase();
  let pool: PooledDatabase;
  let signals = new LocalSignals();
  const term: Term = { epoch: 41, master_id: randomUUID(), since: new Date() };

  beforeAll(() => {
    pool = new PooledDatabase({ dsn: database.poolDsn });
  });
  afterAll(() => pool.close());
  beforeEach(async () => {
    signals = new LocalSignals();
    await database.pool.query(
      `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
         ffmpeg_master.queue_counters, ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
    );
    await database.pool.query('UPDATE ffmpeg_master.leadership SET epoch = $1, master_id = $2', [
      term.epoch,
      term.master_id,
    ]);
    await database.pool.query(
      'UPDATE ffmpeg_master.cluster_presence SET last_seen_at = clock_timestamp(), outage_ended_at = NULL',
    );
  });

  const sql = async <Row>(text: string, values: unknown[] = []) =>
    (await database.pool.query(text, values)).rows as Row[];

  const insert = (table: string, columns: Record<string, unknown>) => {
    const names = Object.keys(columns);
    const places = names.map((_, index) => `$${index + 1}`);
    return sql(
      `INSERT INTO ffmpeg_master.${table} (${names.join(', ')}) VALUES (${places.join(', ')})`,
      Object.values(columns),
    );
  };

  async function insertJob(columns: Record<string, unknown> = {}): Promise<string> {
    const id = randomUUID();
    await insert('jobs', {
      id,
      scenario: '1080p-h264',
      parameters: {},
      queue: 'default',
      priority: 'medium',
      requirements: {},
      engine: 'auto',
      status: 'queued',
      lane_id: 7,
      position: Date.now() * 1_000,
      max_retries: 3,
      ...columns,
    });
    return id;
  }

  async function insertNode(columns: Record<string, unknown> = {}): Promise<string> {
    const id = randomUUID();
    await insert('nodes', {
      id,
      name: `node-${id.slice(0, 4)}`,
      given_name: 'node',
      instance_id: randomUUID(),
      slots: 4,
      cpu_threads: 4,
      cpu_model: 'test',
      ram_total_bytes: 1,
      gpus: '[]',
      encoders: [],
      engines: [],
      ffmpeg_version: '5.1',
      labels: {},
      ...columns,
    });
    await insert('node_counters', { node_id: id });
    await insert('node_presence', { node_id: id });
    return id;
  }

  async function insertAttempt(attempt: AttemptOptions = {}): Promise<{ job: string; token: number }> {
    const node = attempt.node ?? (await insertNode());
    const [row] = await sql<{ token: number }>(
      `SELECT nextval('ffmpeg_master.lease_tokens')::float8 AS token`,
    );
    const token = row?.token ?? 0;
    const job = await insertJob({
      status: 'running',
      node_id: node,
      node_name: 'the-node',
      claim_id: randomUUID(),
      lease_token: token,
      attempt: 1,
      event_count: 3,
      ...attempt.job,
    });
    await sql(
      `INSERT INTO ffmpeg_master.leases (lease_token, job_id, node_id, claim_id, queue, assigned_at, clock_from, expires_at)
       SELECT $1, j.id, $2, gen_random_uuid(), j.queue, clock_timestamp(), clock_timestamp(), clock_timestamp() + $3::interval
       FROM ffmpeg_master.jobs j WHERE j.id = $4`,
      [token, node, attempt.expires ?? '30 seconds', job],
    );
    for (const [column, value] of Object.entries(attempt.lease ?? {})) {
      await sql(`UPDATE ffmpeg_master.leases SET ${column} = $1 WHERE lease_token = $2`, [value, token]);
    }
    await sql('UPDATE ffmpeg_master.node_counters SET running = running + 1 WHERE node_id = $1', [node]);
    await sql(
      `UPDATE ffmpeg_master.queue_counters SET running = running + 1
       WHERE queue = (SELECT queue FROM ffmpeg_master.jobs WHERE id = $1)`,
      [job],
    );
    return { job, token };
  }

  async function insertAttempts(count: number, expires: number, began: number): Promise<void> {
    const node = await insertNode();
    await sql(
      `WITH attempt AS (
         SELECT gen_random_uuid() AS job_id, nextval('ffmpeg_master.lease_tokens') AS lease_token, n
         FROM generate_series(1, $1::int) n
       ),
       lease AS (
         INSERT INTO ffmpeg_master.leases
           (lease_token, job_id, node_id, claim_id, queue, timeout_seconds, assigned_at, clock_from, expires_at)
         SELECT a.lease_token, a.job_id, $2, gen_random_uuid(), 'default', 10, now(),
                now() + $4 * interval '1 second', now() + $3 * interval '1 second'
         FROM attempt a
       )
       INSERT INTO ffmpeg_master.jobs (id, scenario, parameters, queue, priority, requirements, engine, status, lane_id,
                                       position, max_retries, node_id, node_name, lease_token, attempt, event_count)
       SELECT a.job_id, 's', '{}', 'default', 'medium', '{}', 'auto', 'running', a.n % 9, a.n, 3, $2, 'the-node',
              a.lease_token, 1, 3
       FROM attempt a`,
      [count, node, expires, began],
    );
    await sql('UPDATE ffmpeg_master.node_counters SET running = $1 WHERE node_id = $2', [count, node]);
  }

  const events = async (job: string) =>
    (
      await sql<{ line: string }>(
        `SELECT n || ' ' || type || ' ' || coalesce(from_status, '-') || '>' || to_status AS line
         FROM ffmpeg_master.job_events WHERE job_id = $1 ORDER BY n`,
        [job],
      )
    ).map(({ line }) => line);

  return {
    database,
    get pool() {
      return pool;
    },
    get statements() {
      return new FencedStatements(pool);
    },
    get signals() {
      return signals;
    },
    term,
    sql: sql,
    insertJob,
    insertAttempt,
    insertAttempts,
    insertNode,
    events,
  };
}

/** A moment as an SQL parameter, so many seconds from now. */
export function secondsFromNow(seconds: number): Date {
  return new Date(Date.now() + seconds * 1_000);
}
