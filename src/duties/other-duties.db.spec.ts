/** Retired nodes, settings of queues, vacuum and the figures of the cluster. */
import pg from 'pg';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { secondsFromNow, useDutyStage } from '../../test/support/duty-stage.js';
import { Settings } from '../config/settings.js';
import { openSession } from '../database/dedicated-session.js';
import { Metrics } from '../metrics/metrics.js';
import { ClusterFigures } from './cluster-figures.duty.js';
import { ClusterFiguresRepository } from './cluster-figures.repository.js';
import { QueueSettings } from './queue-settings.duty.js';
import { QueueSettingsRepository } from './queue-settings.repository.js';
import { RetireSilentNodes } from './retire-silent-nodes.duty.js';
import { RetireSilentNodesRepository } from './retire-silent-nodes.repository.js';
import { VacuumHotTables } from './vacuum-hot-tables.duty.js';
import { VacuumHotTablesRepository } from './vacuum-hot-tables.repository.js';

const stage = useDutyStage();

describe('retire silent nodes', () => {
  const duty = () =>
    new RetireSilentNodes(new RetireSilentNodesRepository(stage.statements), new Settings(), stage.signals);
  const seen = (node: string, ago: number) =>
    stage.sql('UPDATE ffmpeg_master.node_presence SET seen_at = $2 WHERE node_id = $1', [
      node,
      secondsFromNow(-ago),
    ]);
  const status = async (node: string) =>
    (await stage.sql('SELECT status FROM ffmpeg_master.nodes WHERE id = $1', [node]))[0]?.status;

  it('takes nodes offline that were not heard of for 90 s', async () => {
    const [silent, heard] = [await stage.insertNode(), await stage.insertNode()];
    await seen(silent, 91);
    await seen(heard, 80);
    expect(await duty().run(stage.term)).toBe(1);
    expect([await status(silent), await status(heard)]).toEqual(['offline', 'online']);
    expect(stage.signals.sent).toEqual([`node ${silent}×1`]);
    expect(await duty().run(stage.term)).toBe(0);
  });

  it('lets them be right after an outage', async () => {
    const node = await stage.insertNode();
    await seen(node, 600);
    await stage.sql('UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = $1', [secondsFromNow(-20)]);
    expect(await duty().run(stage.term)).toBe(0);
    expect(await status(node)).toBe('online');
  });
});

describe('queue settings', () => {
  const write = (queues: Settings['queues']) => {
    const settings = new Settings();
    settings.queues = queues;
    return new QueueSettings(new QueueSettingsRepository(stage.statements), settings, stage.signals).run(
      stage.term,
    );
  };
  const queue = async (name: string) =>
    (
      await stage.sql(
        'SELECT rank, aging_step_us::float8, max_running, paused FROM ffmpeg_master.queues WHERE name = $1',
        [name],
      )
    )[0];
  const counters = () => stage.sql('SELECT queue, running FROM ffmpeg_master.queue_counters ORDER BY queue');

  afterEach(() => write({}));

  it('are written to the table, those no longer named get the defaults, and a pause stays', async () => {
    await stage.sql(`UPDATE ffmpeg_master.queues SET paused = true WHERE name = 'batch'`);
    expect(await write({ batch: { rank: 9, aging_step: 60_000 }, nightly: { max_running: 4 } })).toBe(2);
    expect(await queue('batch')).toEqual({
      rank: 9,
      aging_step_us: 60_000_000,
      max_running: null,
      paused: true,
    });
    expect(await queue('nightly')).toMatchObject({ rank: null, max_running: 4, paused: false });
    expect(stage.signals.sent.sort()).toEqual(['queue batch×1', 'queue nightly×1']);
    expect(await write({ batch: { rank: 9, aging_step: 60_000 }, nightly: { max_running: 4 } })).toBe(0);
    expect(await write({})).toBe(2);
    expect(await queue('batch')).toEqual({
      rank: null,
      aging_step_us: null,
      max_running: null,
      paused: true,
    });
    await stage.sql(`UPDATE ffmpeg_master.queues SET paused = false WHERE name = 'batch'`);
  });

  it('begin a counter with what the queue runs, and end it with the limit', async () => {
    await stage.insertAttempt();
    await stage.insertAttempt();
    await stage.insertAttempt({ job: { queue: 'live' } });
    await write({ default: { max_running: 5 }, batch: { max_running: 1 } });
    expect(await counters()).toEqual([
      { queue: 'batch', running: 0 },
      { queue: 'default', running: 2 },
    ]);
    await stage.sql(`UPDATE ffmpeg_master.queue_counters SET running = 3 WHERE queue = 'default'`);
    await write({ default: { max_running: 7 } });
    expect(await counters()).toEqual([{ queue: 'default', running: 3 }]);
  });

  it('wait for claims in flight before they count, and keep later ones waiting', async () => {
    const claim = await stage.database.pool.connect();
    await claim.query('BEGIN');
    await claim.query(
      `INSERT INTO ffmpeg_master.leases (job_id, node_id, claim_id, queue, assigned_at, expires_at)
       VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'default', now(), now())`,
    );
    let written = false;
    const writing = write({ default: { max_running: 5 } }).then(() => (written = true));
    await eventually(async () =>
      expect(
        await stage.sql(`SELECT FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'`),
      ).toHaveLength(1),
    );
    expect(written).toBe(false);
    await claim.query('COMMIT');
    claim.release();
    await writing;
    expect(await counters()).toEqual([{ queue: 'default', running: 1 }]);
  });
});

describe('vacuum of hot tables', () => {
  beforeAll(() => stage.sql('ALTER TABLE ffmpeg_master.node_counters SET (autovacuum_enabled = false)'));
  const duty = (dsn: string, metrics = new Metrics()) =>
    new VacuumHotTables(
      new VacuumHotTablesRepository(stage.pool),
      () => openSession({ dsn, purpose: 'vacuum' }),
      metrics,
    );
  const dirty = async () => {
    const before = await figures();
    await stage.sql(
      `INSERT INTO ffmpeg_master.node_counters (node_id) SELECT gen_random_uuid() FROM generate_series(1, 1500)`,
    );
    await stage.sql('UPDATE ffmpeg_master.node_counters SET running = running + 1');
    await eventually(async () => {
      const { updates, dead } = await figures();
      expect(updates - before.updates).toBeGreaterThanOrEqual(1_500);
      expect(dead).toBeGreaterThanOrEqual(1_000);
    });
  };
  const figures = async () => {
    const [row] = await stage.sql<{ dead: number; updates: number; vacuums: number }>(
      `SELECT n_dead_tup::int AS dead, n_tup_upd::int AS updates, vacuum_count::int AS vacuums
       FROM pg_stat_user_tables WHERE relname = 'node_counters'`,
    );
    return row!;
  };
  const vacuums = async () => (await figures()).vacuums;

  it('cleans a table with many dead rows, and leaves an idle one alone', async () => {
    await stage.sql('VACUUM ffmpeg_master.node_counters');
    const before = await vacuums();
    await dirty();
    expect(await duty(stage.database.dsn).run()).toBeGreaterThanOrEqual(1_000);
    await eventually(async () => expect(await vacuums()).toBe(before + 1));
    await eventually(async () => expect(await duty(stage.database.dsn).run()).toBe(0));
    expect(await vacuums()).toBe(before + 1);
  });

  it('tells of dead rows while this master leads, and of none afterwards', async () => {
    const metrics = new Metrics();
    const vacuum = duty(stage.database.dsn, metrics);
    const told = async () =>
      Number(
        /^ffrtmp_table_dead_rows\{table="node_counters"\} (\d+)$/m.exec(
          await metrics.registry.metrics(),
        )?.[1],
      );
    const endOfTerm = vacuum.onTerm();
    await dirty();
    await vacuum.run();
    expect(await told()).toBeGreaterThanOrEqual(1_000);
    endOfTerm();
    expect(await told()).toBeNaN();
  });

  it('leaves a table alone that an open transaction keeps from being cleaned, and cleans it when that ends', async () => {
    // A session of its own: one that truncated the table would tell so when the transaction is over.
    const reader = new pg.Client(stage.database.dsn);
    const vacuum = duty(stage.database.dsn);
    try {
      await reader.connect();
      await reader.query('SET idle_in_transaction_session_timeout = 0');
      await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM ffmpeg_master.jobs');
      await dirty();
      const before = await vacuums();
      expect(await vacuum.run()).toBeGreaterThanOrEqual(1_000);
      await eventually(async () => expect(await vacuums()).toBe(before + 1));
      await dirty();
      expect(await vacuum.run()).toBe(0);
      await reader.query('ROLLBACK');
      expect(await vacuum.run()).toBeGreaterThanOrEqual(2_000);
      await eventually(async () => expect(await vacuums()).toBe(before + 2));
    } finally {
      await reader.end();
    }
  });

  it('is an error where the role does not own the table: the server only warns', async () => {
    await dirty();
    const role = `stranger_${Date.now()}`;
    await stage.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    await stage.sql(`GRANT USAGE ON SCHEMA ffmpeg_master TO ${role}`);
    const dsn = Object.assign(new URL(stage.database.dsn), { username: role, password: 'x' }).toString();
    try {
      await expect(duty(dsn).run()).rejects.toThrow(/node_counters was not vacuumed: .*skipping/);
    } finally {
      await stage.sql(`REVOKE USAGE ON SCHEMA ffmpeg_master FROM ${role}`);
      await stage.sql(`DROP ROLE ${role}`);
    }
  });
});

describe('figures of the cluster', () => {
  it('are shown while this master leads, and not at all afterwards', async () => {
    const metrics = new Metrics();
    const duty = new ClusterFigures(new ClusterFiguresRepository(stage.pool), new Settings(), metrics);
    const shown = async () =>
      (await metrics.registry.metrics()).split('\n').filter((line) => /^(ffrtmp|jobs)_/.test(line));
    expect(await shown()).toEqual([]);

    await stage.sql('DELETE FROM ffmpeg_master.lanes');
    const [lane] = await stage.sql<{ id: number }>(
      `INSERT INTO ffmpeg_master.lanes (tenant_id, queue, priority, requirement, requirement_hash)
       VALUES ('default', 'live', 'high', '{}', 'x') RETURNING id`,
    );
    const position = (Date.now() - 60_000) * 1_000;
    for (let i = 0; i < 3; i += 1)
      await stage.insertJob({ lane_id: lane?.id, queue: 'live', position: position + i });
    await stage.insertJob({ lane_id: lane?.id, queue: 'live', paused: true });
    await stage.insertJob({ lane_id: lane?.id, queue: 'live', due_at: secondsFromNow(60) });
    await stage.insertAttempt();
    await stage.insertAttempt({ lease: { revoked: true } });
    await stage.insertNode({ status: 'offline' });
    await stage.insertNode();

    const undo = duty.onTerm();
    await duty.run();
    const lines = await shown();
    for (const line of [
      'ffrtmp_active_jobs 1',
      'ffrtmp_leases_active 2',
      'ffrtmp_queue_length 3',
      'jobs_queued_total 3',
      'ffrtmp_jobs_due_later 1',
      'ffrtmp_event_stream_horizon_seconds 0',
      'ffrtmp_queue_by_priority{priority="high"} 3',
      'ffrtmp_queue_by_priority{priority="low"} 0',
      'ffrtmp_queue_by_type{type="live"} 3',
      'ffrtmp_queue_depth{queue="batch"} 0',
      'ffrtmp_nodes_total 4',
      'ffrtmp_nodes_by_status{status="available"} 1',
      'ffrtmp_nodes_by_status{status="busy"} 2',
      'ffrtmp_nodes_by_status{status="offline"} 1',
    ]) {
      expect(lines).toContain(line);
    }
    const oldest = lines.find((line) => line.startsWith('ffrtmp_queue_oldest_seconds{queue="live"}'));
    expect(Number(oldest?.split(' ')[1])).toBeGreaterThan(59);
    undo();
    expect(await shown()).toEqual([]);
  });
});
