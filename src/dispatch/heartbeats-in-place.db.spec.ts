import { describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { HeartbeatRepository } from './heartbeat.repository.js';

// Alone: a page is cleared of versions older than any running transaction of the server, those of other specs
// included.
const db = useDatabase({ alone: true });

describe('a heartbeat', () => {
  it('of a fleet updates 500 leases and 50 nodes in place, from the first beat on and without any vacuum', async () => {
    await neverAnalyze();
    await db.pool.query(`TRUNCATE ffmpeg_master.leases, ffmpeg_master.node_presence, ffmpeg_master.nodes`);
    const { rows: nodes } = await db.pool.query<{ node_id: string }>(
      `INSERT INTO ffmpeg_master.nodes
         (id, name, given_name, instance_id, slots, cpu_threads, cpu_model, ram_total_bytes, gpus, encoders, engines,
          ffmpeg_version, labels)
       SELECT md5(k::text)::uuid, 'node-' || k, 'node-' || k, gen_random_uuid(), 10, 8, 'test', 1, '[]', '{}', '{}', '7', '{}'
       FROM generate_series(0, 49) k RETURNING id AS node_id`,
    );
    await db.pool.query(
      `INSERT INTO ffmpeg_master.node_presence (node_id) SELECT id FROM ffmpeg_master.nodes`,
    );
    const counted = await figures();
    const { rows: attempts } = await db.pool.query<{ node_id: string; job_id: string; lease_token: number }>(
      `INSERT INTO ffmpeg_master.leases (job_id, node_id, claim_id, queue, assigned_at, expires_at)
       SELECT gen_random_uuid(), md5((k % 50)::text)::uuid, gen_random_uuid(), 'default', now(), now()
       FROM generate_series(1, 500) k RETURNING node_id, job_id, lease_token`,
    );
    const repository = new HeartbeatRepository(db.database);
    const rounds = 40;
    for (let round = 1; round <= rounds; round += 1) {
      const said = { progress: round, fps: 60, speed: 2, duration_seconds: 90 };
      const beaten = await repository.extend(
        nodes.map((node) => ({ ...node, cpu_load_percent: round })),
        attempts.map((attempt) => ({ ...attempt, ...said })),
        30_000,
      );
      expect(beaten.attempts.filter(({ extended }) => extended)).toHaveLength(500);
      if (round === 1) await repository.start(attempts);
    }
    // The server publishes its statistics about a second after the transaction, those of earlier tests too.
    await eventually(
      async () => expect((await figures()).updated - counted.updated).toBeGreaterThanOrEqual(550 * rounds),
      { within: 10_000 },
    );
    const after = await figures();
    expect(after.hot - counted.hot).toBe(after.updated - counted.updated);
    expect(after.pages).toBeLessThan(500 / 15 + 50 / 15);
  });

  /** An ANALYZE of any table here holds a snapshot, above which no page can be cleared for a new version. */
  const neverAnalyze = async () => {
    const { rows } = await db.pool.query<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class c
       WHERE c.relnamespace = 'ffmpeg_master'::regnamespace AND c.relkind = 'r'`,
    );
    for (const { name } of rows) await db.pool.query(`ALTER TABLE ${name} SET (autovacuum_enabled = false)`);
  };

  const figures = async () =>
    (
      await db.pool.query<{ updated: number; hot: number; pages: number }>(
        `SELECT sum(n_tup_upd)::int AS updated, sum(n_tup_hot_upd)::int AS hot,
                (sum(pg_relation_size(relid)) / 8192)::int AS pages
         FROM pg_stat_user_tables WHERE relname IN ('leases', 'node_presence')`,
      )
    ).rows[0]!;
});
