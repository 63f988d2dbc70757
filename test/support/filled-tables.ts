/** Fills the tables as a busy cluster has them, in a few seconds. */
import type pg from 'pg';

export interface Filling {
  /** Waiting jobs, spread over `LANES` lanes. */
  readonly waiting: number;
  /** Running jobs, each with its lease. */
  readonly running: number;
  /** Archived jobs, spread over `HISTORY_DAYS` days. */
  readonly archived: number;
  readonly nodes: number;
}

export const LANES = 6;
export const HISTORY_DAYS = 4;

/** A UUIDv7 of the moment `at` and the number `k`. */
const idOf = (at: string, k: string) =>
  `(lpad(to_hex((extract(epoch FROM ${at}) * 1000)::bigint), 12, '0') || '7' || substr(md5(${k}::text), 1, 3)
    || '8' || substr(md5(${k}::text), 4, 15))::uuid`;

const DAY = `((now() AT TIME ZONE 'UTC')::date - (k % ${HISTORY_DAYS})::int)`;

const JOB = `scenario, parameters, queue, priority, requirements, engine, max_retries, event_count`;
const AS_SUBMITTED = `'filled', '{"bitrate": "2M"}', 'default', 'medium', '{}', 'auto', 3, 1`;

export async function fillTables(pool: pg.Pool, { waiting, running, archived, nodes }: Filling) {
  await pool.query(
    `INSERT INTO ffmpeg_master.lanes (tenant_id, queue, priority, requirement, requirement_hash)
     SELECT 'default', 'default', 'medium', jsonb_build_object('threads', k + 2), 'filled-' || k
     FROM generate_series(0, ${LANES - 1}) k`,
  );
  await pool.query(
    `INSERT INTO ffmpeg_master.nodes (id, tenant_id, name, given_name, instance_id, slots, cpu_threads, cpu_model,
                                      ram_total_bytes, gpus, encoders, engines, ffmpeg_version, labels)
     SELECT ${idOf('now()', 'k')}, 'default', 'filled-' || k, 'filled-' || k, ${idOf('now()', 'k')}, 8, 8, 'test', 1,
            '[]', '{libx264}', '{ffmpeg}', '7', '{}'
     FROM generate_series(1, ${nodes}) k`,
  );
  await pool.query(
    `INSERT INTO ffmpeg_master.node_counters (node_id, running)
     SELECT id, ${running / nodes} FROM ffmpeg_master.nodes WHERE name LIKE 'filled-%'`,
  );
  await pool.query(
    `INSERT INTO ffmpeg_master.node_presence (node_id) SELECT id FROM ffmpeg_master.nodes WHERE name LIKE 'filled-%'`,
  );
  await fillHistory(pool, archived);
  await pool.query(
    `INSERT INTO ffmpeg_master.idempotency_keys (tenant_id, route, key, body_hash, job_ids)
     SELECT 'default', 'POST /jobs', 'filled-' || k, '', '{}' FROM generate_series(1, ${nodes * 10}) k`,
  );
  await pool.query(
    `INSERT INTO ffmpeg_master.jobs (id, tenant_id, ${JOB}, status, lane_id, position)
     SELECT ${idOf('now()', '(k + 10000000)')}, 'default', ${AS_SUBMITTED}, 'queued',
            (SELECT min(id) FROM ffmpeg_master.lanes WHERE requirement_hash LIKE 'filled-%') + k % ${LANES}, k
     FROM generate_series(1, ${waiting}) k`,
  );
  await pool.query(
    `WITH node AS (SELECT id, name, row_number() OVER () - 1 AS nth FROM ffmpeg_master.nodes WHERE name LIKE 'filled-%'),
     job AS (
       INSERT INTO ffmpeg_master.jobs (id, tenant_id, ${JOB}, status, lane_id, position, node_id, node_name, claim_id,
                                       lease_token, attempt, assigned_at, started_at)
       SELECT ${idOf('now()', '(k + 20000000)')}, 'default', ${AS_SUBMITTED}, CASE WHEN k % 2 = 0 THEN 'running' ELSE 'assigned' END, 1, k, n.id, n.name,
              ${idOf('now()', 'k')}, nextval('ffmpeg_master.lease_tokens'), 1, now(), now()
       FROM generate_series(1, ${running}) k JOIN node n ON n.nth = k % ${nodes}
       RETURNING *
     )
     INSERT INTO ffmpeg_master.leases (lease_token, job_id, node_id, claim_id, queue, assigned_at, expires_at)
     SELECT lease_token, id, node_id, claim_id, queue, now(), now() + interval '1 hour' FROM job`,
  );
  await pool.query(
    `INSERT INTO ffmpeg_master.job_events (day, job_id, n, generation, type, to_status, attempt, tenant_id, queue)
     SELECT (now() AT TIME ZONE 'UTC')::date, id, 1, 1, 'submitted', 'queued', 0, tenant_id, queue
     FROM ffmpeg_master.jobs WHERE scenario = 'filled'`,
  );
}

async function fillHistory(pool: pg.Pool, archived: number): Promise<void> {
  for (const parent of ['job_history', 'job_events', 'job_logs'])
    await pool.query(
      `SELECT ffmpeg_master.make_partition($1, (now() AT TIME ZONE 'UTC')::date - k)
       FROM generate_series(0, ${HISTORY_DAYS - 1}) k`,
      [parent],
    );
  // The oldest have the lowest numbers, as in life: today's come last.
  await pool.query(
    `INSERT INTO ffmpeg_master.job_history (id, tenant_id, ${JOB}, status, lane_id, position, created_at, completed_at,
                                            archived_on, node_id)
     SELECT ${idOf(DAY, 'k')}, 'default', ${AS_SUBMITTED}, CASE WHEN k % 50 = 0 THEN 'failed' ELSE 'completed' END,
            1, k, ${DAY}, ${DAY}, ${DAY}, NULL
     FROM generate_series(1, ${archived}) k ORDER BY k % ${HISTORY_DAYS} DESC, k`,
  );
  await pool.query(
    `INSERT INTO ffmpeg_master.job_events (day, job_id, n, generation, type, to_status, attempt, tenant_id, queue)
     SELECT archived_on, id, 1, 1, 'submitted', 'queued', 0, tenant_id, queue FROM ffmpeg_master.job_history
     WHERE scenario = 'filled'`,
  );
  await pool.query(
    `INSERT INTO ffmpeg_master.history_days (day, lowest, highest)
     SELECT archived_on, min(sequence_number), max(sequence_number) FROM ffmpeg_master.job_history
     WHERE archived_on < (now() AT TIME ZONE 'UTC')::date GROUP BY archived_on`,
  );
}
