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

  it('updates leases in place: every update is HOT, no index is touched', async () => {
    const figures = async () =>
      (
        await db.pool.query(
          `SELECT n_tup_upd AS updated, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'leases'`,
        )
      ).rows[0];
    const before = await figures();
    const { node, attempt } = await running();
    for (let k = 1; k <= 20; k += 1) await beat(node, attempt, { started: true, progress: k });
    // The server publishes its statistics about a second after the transaction.
    await eventually(
      async () => expect((await figures()).updated - before.updated).toBeGreaterThanOrEqual(20),
      {
        within: 10_000,
      },
    );
    const after = await figures();
    expect(after.hot - before.hot).toBe(after.updated - before.updated);
  });
});
