/** Old snapshots and unused replication slots, as the leader's gauges and `doctor` tell of them. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../../test/support/database.js';
import { checkDatabase } from './database-checks.js';
import { Settings } from '../../config/settings.js';
import { Metrics } from '../../metrics/metrics.js';
import { ClusterFigures } from '../../duties/cluster-figures.duty.js';
import { ClusterFiguresRepository } from '../../duties/cluster-figures.repository.js';

const db = useDatabase();
let admin: pg.Client;
let duty: ClusterFigures;
let metrics: Metrics;

beforeAll(async () => {
  admin = new pg.Client({ connectionString: db.adminDsn });
  await admin.connect();
  metrics = new Metrics();
  duty = new ClusterFigures(new ClusterFiguresRepository(db.database), new Settings(), metrics);
});
afterAll(() => admin.end());

/** Value by labels, as the leader shows it now. */
async function gauge(name: string): Promise<Map<string, number>> {
  await duty.run();
  const lines = (await metrics.registry.metrics())
    .split('\n')
    .filter((line) => line.startsWith(`ffrtmp_${name}{`));
  return new Map(
    lines.map((line) => {
      const [labels = '', value] = line.slice(`ffrtmp_${name}`.length).split(' ');
      return [labels, Number(value)];
    }),
  );
}

async function doctor(check: string) {
  const settings = new Settings();
  Object.assign(settings.database, {
    type: 'postgres',
    dsn: db.dsn,
    direct_dsn: db.dsn,
    migrate_dsn: db.dsn,
  });
  for await (const one of checkDatabase(settings)) if (one.name === check) return one;
  throw new Error(`doctor made no check ${check}`);
}

/** An event of ten minutes ago, by a transaction of now: as if all that began before had lasted so long. */
async function tenMinutesPass(): Promise<void> {
  await db.pool.query(
    `INSERT INTO ffmpeg_master.job_events (day, job_id, n, generation, at, type, to_status, attempt, tenant_id, queue)
     SELECT (now() AT TIME ZONE 'UTC')::date, gen_random_uuid(), 1, generation, now() - interval '10 minutes',
            'submitted', 'queued', 0, 'default', 'default' FROM ffmpeg_master.leadership`,
  );
}

describe('an old snapshot', () => {
  it('of another role, whose age the server hides, is told by the event log', async () => {
    const { rows } = await admin.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await admin.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await admin.query('SELECT 1');
    try {
      await tenMinutesPass();
      const age = (await gauge('database_oldest_snapshot_seconds')).get('{holder="session"}');
      expect(age).toBeGreaterThan(599);
      expect(age).toBeLessThan(700);
      expect(await doctor('snapshots')).toMatchObject({
        verdict: 'warn',
        found: `process ${rows[0]?.pid} (unknown) holds one for 10 min`,
        mend: expect.stringContaining(`pg_terminate_backend(${rows[0]?.pid})`),
      });
    } finally {
      await admin.query('ROLLBACK');
    }
    expect((await gauge('database_oldest_snapshot_seconds')).get('{holder="session"}')).toBeLessThan(60);
    expect((await doctor('snapshots')).verdict).toBe('ok');
  });

  it('of a session of ours is told by when it began, and is no worry while it is short', async () => {
    const session = await db.pool.connect();
    try {
      await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await session.query('SELECT pg_sleep(0.02)');
      const ages = await gauge('database_oldest_snapshot_seconds');
      expect(ages.get('{holder="session"}')).toBeGreaterThan(0.02);
      expect(ages.get('{holder="standby"}')).toBe(0);
      expect((await doctor('snapshots')).verdict).toBe('ok');
    } finally {
      await session.query('ROLLBACK');
      session.release();
    }
  });
});

describe('a replication slot without a reader', () => {
  it('is told with the log that it keeps, until it is dropped', async () => {
    const slot = `unused_${process.pid}`;
    const label = `{slot="${slot}",active="false"}`;
    await admin.query('SELECT pg_create_physical_replication_slot($1, true)', [slot]);
    try {
      await tenMinutesPass();
      expect((await gauge('replication_slot_retained_bytes')).get(label)).toBeGreaterThan(0);
      const check = await doctor('replication slots');
      expect(check.verdict).toBe('warn');
      expect(check.found).toMatch(new RegExp(`${slot} \\(keeps \\d+ \\w+\\)`));
      expect(check.mend).toContain('pg_drop_replication_slot');
    } finally {
      await admin.query('SELECT pg_drop_replication_slot($1)', [slot]);
    }
    expect((await gauge('replication_slot_retained_bytes')).has(label)).toBe(false);
  });
});

describe('these figures', () => {
  it('are shown by the leader alone', async () => {
    const undo = duty.onTerm();
    await duty.run();
    undo();
    expect(await metrics.registry.metrics()).not.toMatch(/^ffrtmp_\w+[{ ]/m);
  });
});
