import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { useDutyStage } from '../../test/support/duty-stage.js';
import { Settings } from '../config/settings.js';
import { TermOver } from './duty.js';
import { PartitionsAndPrune } from './partitions-and-prune.duty.js';
import { PARTITIONED, PartitionsAndPruneRepository } from './partitions-and-prune.repository.js';

const stage = useDutyStage();
const settings = new Settings();
const duty = () =>
  new PartitionsAndPrune(
    new PartitionsAndPruneRepository(stage.pool, stage.statements),
    settings,
    stage.signals,
  );

/** 'YYYY-MM-DD', so many days from today in UTC. */
const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
const partitionOf = (table: string, offset: number) => `${table}_${day(offset).replaceAll('-', '')}`;

const partitions = async (table: string) =>
  (
    await stage.sql<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = ('ffmpeg_master.' || $1)::regclass ORDER BY 1`,
      [table],
    )
  ).map(({ name }) => name);

const archive = (offset: number, sequence: number) =>
  [
    `INSERT INTO ffmpeg_master.job_history
     (id, sequence_number, scenario, parameters, queue, priority, requirements, engine, status, lane_id, position,
      max_retries, completed_at, archived_on)
   VALUES ($1, $2, 's', '{}', 'default', 'low', '{}', 'auto', 'completed', 1, 1, 3, now(), $3)`,
    [randomUUID(), sequence, day(offset)] as unknown[],
  ] as const;

beforeEach(async () => {
  // Back to what a migration leaves, whatever the test before did.
  for (const table of PARTITIONED) {
    for (const name of await partitions(table)) {
      if (name < partitionOf(table, 0)) await stage.sql(`DROP TABLE ffmpeg_master.${name}`);
    }
  }
  await stage.sql('SELECT ffmpeg_master.make_partitions(7)');
  await stage.sql('DELETE FROM ffmpeg_master.history_days');
});

/** The monotonic clock, with minutes passing as the test says. */
function clockOfMinutes() {
  const now = performance.now.bind(performance);
  let passed = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + passed * 60_000);
  return { pass: (minutes: number) => void (passed += minutes), restore: () => clock.mockRestore() };
}

const oldPartition = (table: string, offset: number) =>
  stage.sql('SELECT ffmpeg_master.make_partition($1, $2)', [table, day(offset)]);

describe('partitions', () => {
  it('lie ready for seven days, so that masters which were off for five accept reports at once', async () => {
    for (const table of PARTITIONED) {
      for (let offset = 0; offset <= 7; offset += 1) {
        expect(await partitions(table)).toContain(partitionOf(table, offset));
      }
    }
    const started = performance.now();
    await stage.sql(...archive(5, 1));
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('are made again where they are missing, by whoever comes first', async () => {
    for (const table of PARTITIONED) await stage.sql(`DROP TABLE ffmpeg_master.${partitionOf(table, 6)}`);
    const made = await Promise.all([duty().run(stage.term), duty().run(stage.term), duty().run(stage.term)]);
    expect(made.reduce((sum, rows) => sum + rows, 0)).toBe(3);
    for (const table of PARTITIONED) expect(await partitions(table)).toContain(partitionOf(table, 6));
  });

  it('are dropped past retention, one a minute, tables in turn, logs sooner than history', async () => {
    for (const offset of [-29, -31, -33]) await oldPartition('job_history', offset);
    for (const offset of [-6, -8]) await oldPartition('job_logs', offset);
    await stage.sql(...archive(-33, 5));
    const left = async () =>
      [...(await partitions('job_history')), ...(await partitions('job_logs'))]
        .filter((name) => !name.includes('job_events') && name.slice(-8) < day(0).replaceAll('-', ''))
        .sort();
    const all = [-33, -31, -29].map((offset) => partitionOf('job_history', offset));
    const logs = [-8, -6].map((offset) => partitionOf('job_logs', offset));
    const leader = duty();
    const minutes = clockOfMinutes();
    try {
      await leader.run(stage.term);
      expect(await left()).toEqual([...all.slice(1), ...logs]);
      expect(await stage.sql('SELECT FROM ffmpeg_master.history_days WHERE day = $1', [day(-33)])).toEqual(
        [],
      );
      await leader.run(stage.term);
      expect(await left()).toEqual([...all.slice(1), ...logs]);
      minutes.pass(1.1);
      await leader.run(stage.term);
      expect(await left()).toEqual([...all.slice(1), ...logs.slice(1)]);
      minutes.pass(1.1);
      await leader.run(stage.term);
      expect(await left()).toEqual([...all.slice(2), ...logs.slice(1)]);
      minutes.pass(1.1);
      await leader.run(stage.term);
      expect(await left()).toEqual([...all.slice(2), ...logs.slice(1)]);
    } finally {
      minutes.restore();
    }
  });

  it('are tried no sooner again where the try failed', async () => {
    await oldPartition('job_history', -40);
    const repository = new PartitionsAndPruneRepository(stage.pool, stage.statements);
    const tries = vi
      .spyOn(repository, 'dropOldestPartition')
      .mockRejectedValue(new Error('canceling statement due to statement timeout'));
    const leader = new PartitionsAndPrune(repository, settings, stage.signals);
    const minutes = clockOfMinutes();
    try {
      await expect(leader.run(stage.term)).rejects.toThrow('statement timeout');
      await leader.run(stage.term);
      expect(tries).toHaveBeenCalledTimes(1);
      minutes.pass(1.1);
      await expect(leader.run(stage.term)).rejects.toThrow('statement timeout');
      expect(tries.mock.calls.map(([, table]) => table)).toEqual(['job_history', 'job_events']);
    } finally {
      minutes.restore();
    }
  });

  it('are not dropped in a term that is over, and whoever tries is told so', async () => {
    await oldPartition('job_history', -40);
    const repository = new PartitionsAndPruneRepository(stage.pool, stage.statements);
    const past = { ...stage.term, epoch: 1 };
    await expect(repository.dropOldestPartition(past, 'job_history', 30)).rejects.toThrow(TermOver);
    expect(await repository.dropOldestPartition(stage.term, 'job_history', 30)).toBe(day(-40));
    expect(await repository.dropOldestPartition(stage.term, 'job_history', 30)).toBeNull();
  });

  it('keep the next leader waiting for no more than a second, however slow their drop', async () => {
    await oldPartition('job_history', -40);
    // As slow as a drop can be: its function sleeps before it does anything.
    const [written] = await stage.sql<{ definition: string }>(
      `SELECT pg_get_functiondef('ffmpeg_master.drop_oldest_partition'::regproc) AS definition`,
    );
    await stage.sql(written?.definition.replace('\nBEGIN\n', '\nBEGIN\n  PERFORM pg_sleep(4);\n') ?? '');
    try {
      const repository = new PartitionsAndPruneRepository(stage.pool, stage.statements);
      const started = performance.now();
      await expect(repository.dropOldestPartition(stage.term, 'job_history', 30)).rejects.toThrow(
        'statement timeout',
      );
      expect(performance.now() - started).toBeLessThan(2_500);
    } finally {
      await stage.sql(written?.definition ?? '');
    }
  });

  it('delay no report while a pg_dump is left open: they are made beside it, and dropped after it (F11)', async () => {
    await oldPartition('job_history', -40);
    await stage.sql(`DROP TABLE ffmpeg_master.${partitionOf('job_history', 7)}`);
    const dump = await stage.database.pool.connect();
    await dump.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    for (const table of PARTITIONED)
      await dump.query(`LOCK TABLE ffmpeg_master.${table} IN ACCESS SHARE MODE`);
    // The duty takes sessions of the last second for passing readers.
    await dump.query('SELECT pg_sleep(1.1)');

    let done = false;
    try {
      let slowest = 0;
      let reports = 0;
      const reporting = (async () => {
        while (!done) {
          const started = performance.now();
          await stage.sql(...archive(0, 1_000 + reports));
          slowest = Math.max(slowest, performance.now() - started);
          reports += 1;
        }
      })();
      await duty().run(stage.term);
      await duty().run(stage.term);
      await eventually(() => expect(reports).toBeGreaterThan(5), { within: 10_000 });
      done = true;
      await reporting;
      process.stdout.write(`${reports} reports beside a dump, the slowest ${slowest.toFixed(0)} ms\n`);
      expect(reports).toBeGreaterThan(5);
      expect(slowest).toBeLessThan(1_000);
      expect(await partitions('job_history')).toContain(partitionOf('job_history', 7));
      expect(await partitions('job_history')).toContain(partitionOf('job_history', -40));
    } finally {
      // Every other test here would wait for it.
      done = true;
      await dump.query('ROLLBACK');
      dump.release();
    }
    await duty().run(stage.term);
    expect(await partitions('job_history')).not.toContain(partitionOf('job_history', -40));
  });
});

describe('finished days', () => {
  it('are noted with their lowest and highest number, empty ones too, today not yet', async () => {
    for (const offset of [-2, -3]) await oldPartition('job_history', offset);
    for (const sequence of [31, 17, 22]) await stage.sql(...archive(-3, sequence));
    await stage.sql(...archive(0, 99));
    await duty().run(stage.term);
    expect(
      await stage.sql(
        'SELECT day::text, lowest::int, highest::int FROM ffmpeg_master.history_days ORDER BY day',
      ),
    ).toEqual([
      { day: day(-3), lowest: 17, highest: 31 },
      { day: day(-2), lowest: 1, highest: 0 },
    ]);
    await duty().run(stage.term);
    expect(await stage.sql('SELECT FROM ffmpeg_master.history_days')).toHaveLength(2);
  });

  it('are closed without a lock on any other day', async () => {
    await oldPartition('job_history', -2);
    await oldPartition('job_history', -3);
    await stage.sql(...archive(-3, 7));
    const other = await stage.database.pool.connect();
    await other.query('BEGIN');
    await other.query(`LOCK TABLE ffmpeg_master.${partitionOf('job_history', -2)} IN ACCESS EXCLUSIVE MODE`);
    const repository = new PartitionsAndPruneRepository(stage.pool, stage.statements);
    expect(await repository.closeDay(stage.term)).toBe(1);
    await other.query('ROLLBACK');
    other.release();
    expect(await stage.sql('SELECT day::text FROM ffmpeg_master.history_days')).toEqual([{ day: day(-3) }]);
  });
});

describe('pruning', () => {
  it('removes idempotency keys after 24 hours, in batches', async () => {
    await stage.sql('DELETE FROM ffmpeg_master.idempotency_keys');
    await stage.sql(
      `INSERT INTO ffmpeg_master.idempotency_keys (tenant_id, route, key, body_hash, job_ids, created_at)
       SELECT 'default', 'POST /jobs', n::text, '', '{}', now() - n * interval '1 minute'
       FROM generate_series(1, 24 * 60 + 1200) n`,
    );
    await duty().run(stage.term);
    const [left] = await stage.sql<{ count: number }>(
      'SELECT count(*)::int FROM ffmpeg_master.idempotency_keys',
    );
    expect(left?.count).toBeGreaterThanOrEqual(24 * 60 - 1);
    expect(left?.count).toBeLessThanOrEqual(24 * 60);
  });

  it('removes masters that were not seen for a day', async () => {
    const seen = async (id: string, ago: string) => {
      await stage.sql(
        `INSERT INTO ffmpeg_master.masters (id, name, host, pid, url, version, started_at)
         VALUES ($1, 'm', 'h', 1, 'u', '0', now() - interval '9 days')`,
        [id],
      );
      await stage.sql(
        `INSERT INTO ffmpeg_master.master_presence (master_id, seen_at, listener) VALUES ($1, now() - $2::interval, 'up')`,
        [id, ago],
      );
      await stage.sql(
        `INSERT INTO ffmpeg_master.queue_rates VALUES ($1, 'live', 1, 1, now() - $2::interval)`,
        [id, ago],
      );
    };
    const [living, gone] = [randomUUID(), randomUUID()];
    await seen(living, '23 hours');
    await seen(gone, '25 hours');
    await duty().run(stage.term);
    expect(await stage.sql('SELECT id FROM ffmpeg_master.masters')).toEqual([{ id: living }]);
    expect(await stage.sql('SELECT master_id FROM ffmpeg_master.queue_rates')).toEqual([
      { master_id: living },
    ]);
    expect(await stage.sql('SELECT master_id FROM ffmpeg_master.master_presence')).toEqual([
      { master_id: living },
    ]);
  });

  it('removes nodes that were offline for seven days and hold no lease', async () => {
    const seen = async (node: string, ago: string) =>
      stage.sql('UPDATE ffmpeg_master.node_presence SET seen_at = now() - $2::interval WHERE node_id = $1', [
        node,
        ago,
      ]);
    const [gone, holding, recent, online] = [
      await stage.insertNode({ status: 'offline' }),
      await stage.insertNode({ status: 'offline' }),
      await stage.insertNode({ status: 'offline' }),
      await stage.insertNode(),
    ];
    await stage.insertAttempt({ node: holding });
    await seen(gone, '8 days');
    await seen(holding, '8 days');
    await seen(recent, '6 days');
    await seen(online, '8 days');
    await duty().run(stage.term);
    for (const [table, column] of [
      ['nodes', 'id'],
      ['node_counters', 'node_id'],
      ['node_presence', 'node_id'],
    ] as const) {
      const left = await stage.sql(`SELECT ${column} AS id FROM ffmpeg_master.${table}`);
      expect(left.map(({ id }) => id).sort()).toEqual([holding, recent, online].sort());
    }
    expect(stage.signals.sent).toContain(`node ${gone}×1`);
  });
});
