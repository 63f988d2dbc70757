import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, useDatabase } from '../../../test/support/database.js';
import { openSession, type DedicatedSession } from '../../database/dedicated-session.js';
import { verifyDatabase } from './verify-database.js';

const database = useDatabase();
let session: DedicatedSession;
let cluster: Cluster;

beforeEach(async () => {
  session = await openSession({ dsn: database.dsn, purpose: 'verify' });
  cluster = await soundCluster(database);
});

afterEach(async () => {
  await session.end();
  await database.pool.query(`TRUNCATE ffmpeg_master.jobs, ffmpeg_master.job_history, ffmpeg_master.job_events,
    ffmpeg_master.leases, ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.queue_counters,
    ffmpeg_master.leadership_terms`);
  await database.pool.query(`UPDATE ffmpeg_master.queues SET max_running = NULL`);
  await database.pool.query(`UPDATE ffmpeg_master.leadership SET epoch = 0, master_id = NULL, since = NULL`);
});

/** What is broken: the ids of the invariants, with the subjects of their violations. */
async function broken(eventsAtOnce?: number): Promise<Record<string, string[]>> {
  const findings = await verifyDatabase(session, {
    sinceSeconds: 86_400,
    ...(eventsAtOnce !== undefined && { eventsAtOnce }),
  });
  return Object.fromEntries(
    findings
      .filter(({ violations }) => violations.length > 0)
      .map(({ id, violations }) => [id, [...new Set(violations.map(({ subject }) => subject))]]),
  );
}

describe('verify', () => {
  it('finds nothing in a sound database, whatever the size of its ranges', async () => {
    expect(await broken()).toEqual({});
    expect(await broken(1)).toEqual({});
    expect(await broken(3)).toEqual({});
  });

  it('reads jobs of all ranges', async () => {
    await cluster.sql(`DELETE FROM ffmpeg_master.job_history`);
    expect((await broken(1))['I1']).toHaveLength(2);
  });

  it('finds I1: a job that is gone', async () => {
    await cluster.sql(`DELETE FROM ffmpeg_master.jobs WHERE id = $1`, cluster.waiting);
    expect(await broken()).toEqual({ I1: [cluster.waiting] });
  });

  it('finds I1: a running job without a lease', async () => {
    await cluster.sql(`DELETE FROM ffmpeg_master.leases`);
    await cluster.sql(`UPDATE ffmpeg_master.node_counters SET running = 0`);
    await cluster.sql(`UPDATE ffmpeg_master.queue_counters SET running = 0`);
    expect(await broken()).toEqual({ I1: [cluster.running] });
  });

  it('finds I1: a job that was due while masters were there, and no earlier', async () => {
    const due = `UPDATE ffmpeg_master.jobs SET due_at = now() - interval '1 hour' WHERE id = $1`;
    await cluster.sql(due, cluster.waiting);
    await cluster.sql(`UPDATE ffmpeg_master.cluster_presence SET last_seen_at = now() - interval '2 hours'`);
    expect(await broken()).toEqual({});
    await cluster.sql(`UPDATE ffmpeg_master.cluster_presence SET last_seen_at = now()`);
    expect(await broken()).toEqual({ I1: [cluster.waiting] });
  });

  it('finds I1: an expired lease that nobody took back', async () => {
    await cluster.sql(`UPDATE ffmpeg_master.leases SET expires_at = now() - interval '1 hour'`);
    expect(await broken()).toEqual({ I1: [cluster.running] });
  });

  it('finds I2: a lease token that does not rise', async () => {
    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET lease_token = 1 WHERE job_id = $1 AND attempt = 2`,
      cluster.retried,
    );
    expect((await broken())['I2']).toEqual([cluster.retried]);
  });

  it('finds I2: two unexpired leases', async () => {
    await cluster.sql(
      `INSERT INTO ffmpeg_master.leases (job_id, node_id, claim_id, queue, assigned_at, expires_at)
       SELECT job_id, node_id, claim_id, queue, now(), now() + interval '30 s' FROM ffmpeg_master.leases`,
    );
    await cluster.sql(`UPDATE ffmpeg_master.node_counters SET running = 2`);
    await cluster.sql(`UPDATE ffmpeg_master.queue_counters SET running = 2`);
    await cluster.sql(`UPDATE ffmpeg_master.queues SET max_running = 2 WHERE name = 'default'`);
    expect(await broken()).toEqual({ I2: [cluster.running] });
  });

  it('finds I4: an epoch that no term began', async () => {
    await cluster.sql(`UPDATE ffmpeg_master.leadership SET epoch = 7`);
    expect(await broken()).toEqual({ I4: ['leadership'] });
  });

  it('finds I4: an epoch that began before the one it follows', async () => {
    await cluster.sql(
      `INSERT INTO ffmpeg_master.leadership_terms VALUES
         (1, gen_random_uuid(), now()), (2, gen_random_uuid(), now() - interval '1 minute')`,
    );
    await cluster.sql(`UPDATE ffmpeg_master.leadership SET epoch = 2`);
    expect(await broken()).toEqual({ I4: ['leadership'] });
  });

  it('finds I4: what a leader wrote after the next term had begun', async () => {
    await cluster.sql(
      `INSERT INTO ffmpeg_master.leadership_terms VALUES
         (1, gen_random_uuid(), now() - interval '2 hours'), (2, gen_random_uuid(), now() - interval '1 hour')`,
    );
    await cluster.sql(`UPDATE ffmpeg_master.leadership SET epoch = 2`);
    expect(await broken()).toEqual({});
    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET actor = 'leader/2' WHERE job_id = $1`,
      cluster.running,
    );
    expect(await broken()).toEqual({});
    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET actor = 'leader/1' WHERE job_id = $1`,
      cluster.running,
    );
    expect(await broken()).toEqual({ I4: [cluster.running] });
  });

  it('finds I5: an illegal step', async () => {
    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET to_status = 'completed' WHERE job_id = $1 AND n = 1`,
      cluster.waiting,
    );
    expect(await broken()).toEqual({ I5: [cluster.waiting] });
  });

  it('finds I5: a step from another state than the job was in', async () => {
    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET from_status = 'assigned' WHERE job_id = $1 AND type = 'completed'`,
      cluster.scheduled,
    );
    expect(await broken()).toEqual({ I5: [cluster.scheduled] });
  });

  it('finds I5: a job that rests in another state than its last event names', async () => {
    await cluster.sql(
      `UPDATE ffmpeg_master.job_history SET status = 'failed' WHERE id = $1`,
      cluster.scheduled,
    );
    expect(await broken()).toEqual({ I5: [cluster.scheduled] });
  });

  it('finds I6: more attempts than the retries allow', async () => {
    await cluster.sql(`UPDATE ffmpeg_master.job_history SET max_retries = 0 WHERE id = $1`, cluster.retried);
    expect(await broken()).toEqual({ I6: [cluster.retried] });
  });

  it('finds I6: more than 20 releases in a row', async () => {
    const steps: Step[] = ['submitted'];
    for (let k = 0; k < 20; k += 1) steps.push('assigned', 'released');
    const within = await cluster.addLive(steps, 'queued');
    const above = await cluster.addLive([...steps, 'assigned', 'released'], 'queued');
    expect(within).not.toBe(above);
    expect(await broken()).toEqual({ I6: [above] });
  });

  it('finds I6: an attempt with no ending, and one with two', async () => {
    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET lease_token = 999 WHERE job_id = $1 AND type = 'completed'`,
      cluster.scheduled,
    );
    expect(await broken()).toEqual({ I6: [cluster.scheduled] });
    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET lease_token = (SELECT min(lease_token) FROM ffmpeg_master.job_events WHERE job_id = $1)
       WHERE job_id = $1 AND lease_token IS NOT NULL AND type <> 'assigned'`,
      cluster.retried,
    );
    expect((await broken())['I6']?.sort()).toEqual([cluster.scheduled, cluster.retried].sort());
  });

  it('finds I7: a counter that differs from the leases, and a node above its slots', async () => {
    await cluster.sql(`UPDATE ffmpeg_master.node_counters SET running = 0`);
    expect(await broken()).toEqual({ I7: [cluster.node] });
    await cluster.sql(`UPDATE ffmpeg_master.node_counters SET running = 1`);
    await cluster.sql(`UPDATE ffmpeg_master.leases SET node_id = $1`, randomUUID());
    expect((await broken())['I7']).toHaveLength(2);
  });

  it('finds I7: a queue above max_running', async () => {
    await cluster.sql(`UPDATE ffmpeg_master.queues SET max_running = 0 WHERE name = 'default'`);
    expect(await broken()).toEqual({ I7: ['default'] });
    await cluster.sql(`UPDATE ffmpeg_master.queues SET max_running = 1 WHERE name = 'default'`);
    await cluster.sql(`DELETE FROM ffmpeg_master.queue_counters`);
    expect(await broken()).toEqual({ I7: ['default'] });
  });

  it('finds I8: a job promoted twice, and one promoted or claimed too early', async () => {
    const twice = await cluster.addLive(['submitted', 'promoted', 'promoted'], 'queued');
    expect(await broken()).toEqual({ I8: [twice] });
    await cluster.sql(
      `UPDATE ffmpeg_master.job_history SET run_at = now() + interval '1 hour' WHERE id = $1`,
      cluster.scheduled,
    );
    expect((await broken())['I8']?.sort()).toEqual([twice, cluster.scheduled].sort());
  });

  it('does not call a claim early that began before its job was promoted, and waited for it (I8)', async () => {
    const begun = `UPDATE ffmpeg_master.job_events e SET at = h.run_at - interval '10 milliseconds'
                   FROM ffmpeg_master.job_history h WHERE h.id = e.job_id AND e.job_id = $1 AND e.type = 'assigned'`;
    await cluster.sql(begun, cluster.scheduled);
    expect(await broken()).toEqual({});
    // Without the promotion it is what it seems.
    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET type = 'paused' WHERE job_id = $1 AND type = 'promoted'`,
      cluster.scheduled,
    );
    expect((await broken())['I8']).toEqual([cluster.scheduled]);
  });

  it('finds I10: a gap, a missing end and a wrong order', async () => {
    const shifted = await cluster.addLive(['submitted', 'paused', 'resumed'], 'queued');
    await cluster.sql(`DELETE FROM ffmpeg_master.job_events WHERE job_id = $1 AND n = 2`, shifted);
    expect(await broken()).toEqual({ I10: [shifted] });

    await cluster.sql(`UPDATE ffmpeg_master.jobs SET event_count = 2 WHERE id = $1`, cluster.waiting);
    expect((await broken())['I10']?.sort()).toEqual([shifted, cluster.waiting].sort());

    await cluster.sql(
      `UPDATE ffmpeg_master.job_events SET id = 0 WHERE job_id = $1 AND type = 'completed'`,
      cluster.scheduled,
    );
    expect((await broken())['I10']?.sort()).toEqual([shifted, cluster.waiting, cluster.scheduled].sort());
  });

  it('does not call events that retention dropped a gap', async () => {
    await cluster.sql(`DELETE FROM ffmpeg_master.job_events WHERE job_id = $1 AND n <= 3`, cluster.retried);
    expect(await broken()).toEqual({});
  });
});

type Step =
  | 'submitted'
  | 'assigned'
  | 'started'
  | 'completed'
  | 'retrying'
  | 'promoted'
  | 'released'
  | 'lease_expired'
  | 'canceled'
  | 'retried'
  | 'paused'
  | 'resumed';

interface Cluster {
  readonly node: string;
  /** Queued, never claimed. */
  readonly waiting: string;
  /** Has one unexpired lease. */
  readonly running: string;
  /** In history: had a run_at, was promoted, ran once. */
  readonly scheduled: string;
  /** In history: failed, promoted, lease expired, released, canceled, retried, completed. */
  readonly retried: string;
  sql(text: string, ...values: unknown[]): Promise<void>;
  addLive(steps: readonly Step[], status: string): Promise<string>;
}

/** A small cluster in which every promise holds, with as many ways through the state machine as fit. */
async function soundCluster({ pool }: TestDatabase): Promise<Cluster> {
  const node = randomUUID();
  await pool.query(
    `INSERT INTO ffmpeg_master.nodes (id, name, given_name, instance_id, slots, cpu_threads, cpu_model, ram_total_bytes, gpus,
                                      encoders, engines, ffmpeg_version, labels)
     VALUES ($1, 'node', 'node', gen_random_uuid(), 2, 4, 'cpu', 1, '[]', '{}', '{}', '7', '{}')`,
    [node],
  );
  await pool.query(`UPDATE ffmpeg_master.cluster_presence SET last_seen_at = now(), outage_ended_at = NULL`);
  await pool.query(`INSERT INTO ffmpeg_master.node_counters (node_id, running) VALUES ($1, 1)`, [node]);
  await pool.query(`UPDATE ffmpeg_master.queues SET max_running = 1 WHERE name = 'default'`);
  await pool.query(`INSERT INTO ffmpeg_master.queue_counters VALUES ('default', 1)`);

  const waiting = await addJob(pool, 'jobs', ['submitted', 'paused', 'resumed'], 'queued');
  const running = await addJob(pool, 'jobs', ['submitted', 'assigned', 'started'], 'running');
  await pool.query(
    `INSERT INTO ffmpeg_master.leases (lease_token, job_id, node_id, claim_id, queue, assigned_at, expires_at)
     SELECT lease_token, id, $2, gen_random_uuid(), 'default', now(), now() + interval '30 s'
     FROM ffmpeg_master.jobs WHERE id = $1`,
    [running, node],
  );
  const scheduled = await addJob(
    pool,
    'job_history',
    ['submitted', 'promoted', 'assigned', 'started', 'completed'],
    'completed',
  );
  await pool.query(`UPDATE ffmpeg_master.job_history SET run_at = now() - interval '1 hour' WHERE id = $1`, [
    scheduled,
  ]);
  const retried = await addJob(
    pool,
    'job_history',
    [
      ...(['submitted', 'assigned', 'started', 'retrying', 'promoted', 'assigned', 'lease_expired'] as const),
      ...([
        'assigned',
        'started',
        'released',
        'assigned',
        'canceled',
        'retried',
        'assigned',
        'completed',
      ] as const),
    ],
    'completed',
  );
  return {
    node,
    waiting,
    running,
    scheduled,
    retried,
    sql: async (text, ...values) => void (await pool.query(text, values)),
    addLive: (steps, status) => addJob(pool, 'jobs', steps, status),
  };
}

const NEXT: Readonly<Record<Step, string | undefined>> = {
  submitted: 'queued',
  assigned: 'assigned',
  started: 'running',
  completed: 'completed',
  retrying: 'retrying',
  promoted: 'queued',
  released: 'queued',
  lease_expired: 'queued',
  canceled: 'canceled',
  retried: 'queued',
  paused: undefined,
  resumed: undefined,
};

async function addJob(
  pool: pg.Pool,
  table: 'jobs' | 'job_history',
  steps: readonly Step[],
  status: string,
): Promise<string> {
  const id = randomUUID();
  let state: string | null = null;
  let attempt = 0;
  let token: string | null = null;
  for (const [index, type] of steps.entries()) {
    if (type === 'assigned') {
      attempt += 1;
      const { rows } = await pool.query<{ token: string }>(
        `SELECT nextval('ffmpeg_master.lease_tokens') AS token`,
      );
      token = rows[0]?.token ?? null;
    }
    const next: string = NEXT[type] ?? state ?? 'queued';
    const ofAttempt = ['assigned', 'running'].includes(state ?? '') || type === 'assigned';
    await pool.query(
      `INSERT INTO ffmpeg_master.job_events (day, job_id, n, generation, type, from_status, to_status, attempt,
                                             lease_token, tenant_id, queue)
       VALUES ((now() AT TIME ZONE 'UTC')::date, $1, $2, 1, $3, $4, $5, $6, $7, 'default', 'default')`,
      [id, index + 1, type, state, next, attempt, ofAttempt ? token : null],
    );
    state = next;
  }
  const live = status === 'assigned' || status === 'running';
  const columns = `id, scenario, parameters, queue, priority, requirements, engine, status, lane_id, position,
                   max_retries, attempt, event_count, lease_token`;
  const values = [id, status, attempt, steps.length, live ? token : null];
  const row = `$1, 'x', '{}', 'default', 'medium', '{}', 'auto', $2, 1, 1, 3, $3, $4, $5`;
  await pool.query(
    table === 'jobs'
      ? `INSERT INTO ffmpeg_master.jobs (${columns}) VALUES (${row})`
      : `INSERT INTO ffmpeg_master.job_history (${columns}, completed_at, archived_on)
         VALUES (${row}, now(), (now() AT TIME ZONE 'UTC')::date)`,
    values,
  );
  return id;
}
