import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import type { AttemptRow } from './claim.repository.js';

const db = useDatabase();
let master: DispatchMaster;

beforeEach(async () => {
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
  );
  master = await new DispatchMaster(db.database, new LocalSignals()).start();
});

afterEach(() => master.stop());

async function running(): Promise<{ node: string; attempt: AttemptRow }> {
  const node = await master.node();
  await master.submit();
  return { node, attempt: await master.claimOne(node) };
}

const beat = (node: string, attempt: AttemptRow, more: object = {}) =>
  master.heartbeats.beat(node, {
    attempts: [{ job_id: attempt.id, lease_token: attempt.lease_token, ...more }],
  });

const lease = async () => (await db.pool.query('SELECT * FROM ffmpeg_master.leases')).rows[0];

describe('a heartbeat', () => {
  it('extends the lease by a full one, carries progress up and says that the attempt began', async () => {
    const { node, attempt } = await running();
    await db.pool.query(`UPDATE ffmpeg_master.leases SET expires_at = now() + interval '1 second'`);

    const answer = await beat(node, attempt, {
      started: true,
      progress: 41.5,
      fps: 60,
      speed: 2,
      duration_seconds: 90,
    });

    expect(answer).toEqual({
      attempts: [{ job_id: attempt.id, lease: 'extended', lease_seconds: 30, cancel: false, pause: false }],
      drain: false,
    });
    expect(await master.jobs.get(PRINCIPAL, attempt.id)).toMatchObject({ status: 'running', progress: 41.5 });
    const row = await lease();
    expect(row.expires_at.getTime()).toBeGreaterThan(Date.now() + 25_000);
    expect(row).toMatchObject({ media_seconds: 90, fps: 60, speed: 2 });
    expect(row.clock_from).not.toBeNull();
    const events = await master.events.list(await master.jobs.find(PRINCIPAL, attempt.id), 2, 10);
    expect(events.map((event) => event.type)).toEqual(['started']);
  });

  it('extends a lease of another length by that, and limits what nothing else limits', async () => {
    const { node, attempt } = await running();
    await db.pool.query('UPDATE ffmpeg_master.leases SET lease_ms = 90000');
    await beat(node, attempt, { limit_seconds: 600 });
    const row = await lease();
    expect(row.expires_at.getTime()).toBeGreaterThan(Date.now() + 85_000);
    expect(row.timeout_seconds).toBe(600);
    await beat(node, attempt, { limit_seconds: 700 });
    expect(await lease()).toMatchObject({ timeout_seconds: 600 });
  });

  it('that repeats `started` begins the attempt once', async () => {
    const { node, attempt } = await running();
    await Promise.all([1, 2, 3].map(() => beat(node, attempt, { started: true })));
    await beat(node, attempt, { started: true });
    const events = await master.events.list(await master.jobs.find(PRINCIPAL, attempt.id), 0, 10);
    expect(events.map((event) => event.type)).toEqual(['submitted', 'assigned', 'started']);
  });

  it('extends a lease that has expired but was not swept yet', async () => {
    const { node, attempt } = await running();
    await db.pool.query(`UPDATE ffmpeg_master.leases SET expires_at = now() - interval '1 minute'`);
    expect((await beat(node, attempt)).attempts[0]?.lease).toBe('extended');
    expect((await lease()).expires_at.getTime()).toBeGreaterThan(Date.now());
  });

  it('with an old token, of another node or for another job changes nothing and is told lost (I3, F23)', async () => {
    const { node, attempt } = await running();
    const liar = await master.node();
    const before = await lease();
    const lies = await Promise.all([
      beat(node, { ...attempt, lease_token: attempt.lease_token - 1 }, { progress: 99 }),
      beat(liar, attempt, { progress: 99 }),
      beat(node, { ...attempt, id: randomUUID() }, { progress: 99 }),
    ]);
    for (const { attempts } of lies)
      expect(attempts[0]).toMatchObject({ lease: 'lost', cancel: false, pause: false });
    expect(await lease()).toEqual(before);
  });

  it('is not harmed by a liar in the same group (F23)', async () => {
    const { node, attempt } = await running();
    const liar = await master.node();
    const [honest, lie] = await Promise.all([
      beat(node, attempt, { progress: 10 }),
      beat(liar, attempt, { progress: 99 }),
    ]);
    expect(honest.attempts[0]?.lease).toBe('extended');
    expect(lie.attempts[0]?.lease).toBe('lost');
    expect((await lease()).progress).toBe(10);
  });

  it('brings pause and drain down', async () => {
    const { node, attempt } = await running();
    await beat(node, attempt, { started: true });
    await master.jobs.pause(PRINCIPAL, attempt.id);
    await master.nodes.setDraining(PRINCIPAL, node, true);
    expect(await beat(node, attempt)).toMatchObject({
      attempts: [{ lease: 'extended', pause: true }],
      drain: true,
    });
    await master.jobs.resume(PRINCIPAL, attempt.id);
    expect(await beat(node, attempt)).toMatchObject({ attempts: [{ pause: false }] });
  });

  it('of an idle node says that it is there, and brings a silent one back', async () => {
    const node = await master.node();
    await db.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'offline'`);
    await db.pool.query(`UPDATE ffmpeg_master.node_presence SET seen_at = now() - interval '1 hour'`);
    await master.heartbeats.beat(node, { attempts: [], cpu_load_percent: 12, ram_free_bytes: 5 });
    expect(await master.nodes.get(PRINCIPAL, node)).toMatchObject({
      status: 'online',
      cpu_load_percent: 12,
      ram_free_bytes: 5,
    });
    const { rows } = await db.pool.query('SELECT seen_at FROM ffmpeg_master.node_presence');
    expect(rows[0].seen_at.getTime()).toBeGreaterThan(Date.now() - 60_000);
  });

  it('of a node that is not there is 404, so that it registers again', async () => {
    await expect(master.heartbeats.beat(randomUUID(), { attempts: [] })).rejects.toMatchObject({
      status: 404,
    });
  });

  it('that is sent twice at once is answered twice, by what it said last', async () => {
    const { node, attempt } = await running();
    const answers = await Promise.all([
      beat(node, attempt, { progress: 10, fps: 30 }),
      beat(node, attempt, { progress: 20, started: true }),
    ]);
    for (const { attempts } of answers) expect(attempts[0]?.lease).toBe('extended');
    expect(await lease()).toMatchObject({ progress: 20, fps: 30 });
    expect((await master.jobs.get(PRINCIPAL, attempt.id)).status).toBe('running');
  });

  it('with a figure too small for its column is taken as zero', async () => {
    const { node, attempt } = await running();
    const tiny = { progress: 1e-50, fps: 1e-46, speed: 5e-324, duration_seconds: 1e-300 };
    const answer = await master.heartbeats.beat(node, {
      attempts: [{ job_id: attempt.id, lease_token: attempt.lease_token, ...tiny }],
      cpu_load_percent: 1e-60,
    });
    expect(answer.attempts[0]?.lease).toBe('extended');
    expect(await lease()).toMatchObject({ progress: 0, fps: 0, speed: 0, media_seconds: 0 });
  });

  it('that waits for a cancel to commit is told of it', async () => {
    const { node, attempt } = await running();
    const cancel = await db.pool.connect();
    try {
      await cancel.query('BEGIN');
      await cancel.query('UPDATE ffmpeg_master.leases SET revoked = true, canceled = true');
      const answer = beat(node, attempt, { started: true, progress: 50 });
      await eventually(async () => {
        const { rows } = await db.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        expect(rows).toHaveLength(1);
      });
      await cancel.query('COMMIT');
      expect((await answer).attempts[0]).toMatchObject({ lease: 'lost', cancel: true, pause: false });
      expect((await lease()).progress).toBe(0);
      expect((await master.jobs.get(PRINCIPAL, attempt.id)).status).toBe('assigned');
    } finally {
      cancel.release();
    }
  });

  it('does not wait for somebody who holds the row of its node', async () => {
    const { node, attempt } = await running();
    const holder = await db.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM ffmpeg_master.node_presence FOR UPDATE');
      expect((await beat(node, attempt)).attempts[0]?.lease).toBe('extended');
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
  });

  it('tells others of an attempt that began, and not again with each beat that says so', async () => {
    const signals = new LocalSignals();
    const other = await new DispatchMaster(db.database, signals).start();
    try {
      const { node, attempt } = await running();
      const started = { job_id: attempt.id, lease_token: attempt.lease_token, started: true };
      for (let k = 0; k < 3; k += 1) await other.heartbeats.beat(node, { attempts: [started] });
      expect(signals.sent.filter((signal) => signal.startsWith('event'))).toHaveLength(1);
    } finally {
      other.stop();
    }
  });
});
