import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { isLegal } from '../jobs/state-machine.js';
import { MAX_RELEASES } from './report.repository.js';

const db = useDatabase();
const masters: DispatchMaster[] = [];
let signals: LocalSignals;
let master: DispatchMaster;

beforeEach(async () => {
  signals = new LocalSignals();
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
  );
  master = await start();
});

afterEach(async () => {
  for (const one of masters.splice(0)) one.stop();
  const { rows } = await db.pool.query(
    'SELECT from_status, to_status, type FROM ffmpeg_master.job_events ORDER BY job_id, n',
  );
  for (const row of rows)
    expect([row, isLegal(row.from_status, row.to_status, row.type)]).toEqual([row, true]);
  const wrong = await db.pool.query(
    `SELECT c.node_id FROM ffmpeg_master.node_counters c
     WHERE c.running <> (SELECT count(*) FROM ffmpeg_master.leases l WHERE l.node_id = c.node_id)`,
  );
  expect(wrong.rows).toEqual([]);
});

async function start(): Promise<DispatchMaster> {
  const one = new DispatchMaster(db.database, signals);
  masters.push(one);
  return one.start();
}

async function promote(id: string): Promise<void> {
  await db.pool.query(`UPDATE ffmpeg_master.jobs SET due_at = NULL, status = 'queued' WHERE id = $1`, [id]);
}

const get = (id: string) => master.jobs.get(PRINCIPAL, id);

describe('a report', () => {
  it('of success moves the job to history and frees the slot', async () => {
    const node = await master.node({ slots: 1 });
    const job = await master.submit();
    const attempt = await master.claimOne(node);
    const result = { output: 'a.mp4', size_bytes: 7, duration_seconds: 1.5, metrics: { fps: 30 } };

    expect(await master.report(node, attempt, { status: 'completed', result })).toBe('accepted');

    expect(await get(job.id)).toMatchObject({
      status: 'completed',
      progress: 100,
      result,
      attempt: 1,
      error: null,
    });
    expect((await db.pool.query('SELECT 1 FROM ffmpeg_master.jobs')).rowCount).toBe(0);
    expect((await db.pool.query('SELECT 1 FROM ffmpeg_master.leases')).rowCount).toBe(0);
    await master.submit();
    expect(await master.claim(node)).toHaveLength(1);
  });

  it('of failure queues the job again after its backoff, until no retry is left (I6)', async () => {
    const node = await master.node();
    const job = await master.submit({ max_retries: 2 });
    const failure = { status: 'failed', error: 'it broke', failure_reason: 'network_error' } as const;
    for (const [round, base] of [5000, 10_000].entries()) {
      const attempt = await master.claimOne(node);
      expect(await master.report(node, attempt, failure)).toBe('accepted');
      expect(await get(job.id)).toMatchObject({
        status: 'retrying',
        waiting_for: 'run_at',
        retry_count: round + 1,
        error: 'it broke',
        failure_reason: 'network_error',
        node_id: null,
      });
      const { rows } = await db.pool.query(
        'SELECT extract(epoch FROM due_at - now()) * 1000 AS wait FROM ffmpeg_master.jobs WHERE id = $1',
        [job.id],
      );
      expect(Number(rows[0].wait)).toBeGreaterThan(base * 0.8 - 2000);
      expect(Number(rows[0].wait)).toBeLessThan(base * 1.2);
      await promote(job.id);
      signals.resync();
    }
    expect(await master.report(node, await master.claimOne(node), failure)).toBe('accepted');
    expect(await get(job.id)).toMatchObject({ status: 'failed', attempt: 3, retry_count: 2 });
  });

  it.each(['user_error', 'input_error', 'capability_mismatch'] as const)(
    'of %s is final at once: another attempt would fail alike',
    async (failure_reason) => {
      const node = await master.node();
      const job = await master.submit({ max_retries: 3 });
      await master.report(node, await master.claimOne(node), {
        status: 'failed',
        error: 'no',
        failure_reason,
      });
      expect(await get(job.id)).toMatchObject({
        status: 'failed',
        failure_reason,
        error: 'no',
        retry_count: 0,
      });
    },
  );

  it('of release queues the job at once and counts no failure', async () => {
    const [one, other] = [await master.node(), await master.node()];
    const job = await master.submit({ max_retries: 0 });
    const first = await master.claimOne(one);
    expect(await master.report(one, first, { status: 'released' })).toBe('accepted');
    const second = await master.claimOne(other);
    expect(second.id).toBe(job.id);
    expect(second.lease_token).toBeGreaterThan(first.lease_token);
    expect(await master.report(other, second, { status: 'completed' })).toBe('accepted');
  });

  it('of release counts as a failure once no worker keeps the job (I6)', async () => {
    const node = await master.node();
    const job = await master.submit({ max_retries: 0 });
    for (let k = 0; k < MAX_RELEASES; k += 1)
      await master.report(node, await master.claimOne(node), { status: 'released' });
    expect((await get(job.id)).status).toBe('queued');
    await master.report(node, await master.claimOne(node), { status: 'released' });
    expect(await get(job.id)).toMatchObject({ status: 'failed', failure_reason: 'platform_error' });
  });

  it('that is repeated is told duplicate, one that lost its lease stale, and neither changes the job (I3, F24)', async () => {
    const node = await master.node();
    const job = await master.submit();
    const old = await master.claimOne(node);
    await master.report(node, old, { status: 'released' });
    const attempt = await master.claimOne(node);
    expect(await master.report(node, old, { status: 'completed' })).toBe('stale');
    expect(await master.report(node, attempt, { status: 'completed', result: { output: 'first' } })).toBe(
      'accepted',
    );

    expect(await master.report(node, attempt, { status: 'completed', result: { output: 'second' } })).toBe(
      'duplicate',
    );
    expect(await master.report(node, attempt, { status: 'failed', error: 'late' })).toBe('stale');
    expect(await get(job.id)).toMatchObject({ status: 'completed', result: { output: 'first' } });
  });

  it('is told duplicate by another master, and once only when two get it together', async () => {
    const other = await start();
    const node = await master.node({ slots: 20 });
    await Promise.all(Array.from({ length: 20 }, () => master.submit()));
    const attempts = await master.claim(node, { max_jobs: 20 });
    const outcomes = await Promise.all(
      attempts.map((attempt) =>
        Promise.all([master, other].map((one) => one.report(node, attempt, { status: 'completed' }))),
      ),
    );
    for (const pair of outcomes) expect([...pair].sort()).toEqual(['accepted', 'duplicate']);
  });

  it('with a wrong token, another node, or an unknown job changes nothing (I3, F23)', async () => {
    const [node, liar] = [await master.node(), await master.node()];
    const job = await master.submit();
    const attempt = await master.claimOne(node);
    const wrong = { ...attempt, lease_token: attempt.lease_token + 1 };

    expect(await master.report(node, wrong, { status: 'completed' })).toBe('stale');
    expect(await master.report(liar, attempt, { status: 'completed' })).toBe('stale');
    expect(await master.report(node, { ...attempt, id: randomUUID() }, { status: 'completed' })).toBe(
      'stale',
    );
    await expect(master.report(randomUUID(), attempt, { status: 'completed' })).rejects.toMatchObject({
      status: 404,
    });
    expect((await get(job.id)).status).toBe('assigned');
    expect(await master.report(node, attempt, { status: 'completed' })).toBe('accepted');
  });

  it('may say null for what it leaves out', async () => {
    const node = await master.node();
    const job = await master.submit({ max_retries: 0 });
    const nothing = { error: null, failure_reason: null, result: null } as unknown as object;
    await master.report(node, await master.claimOne(node), { status: 'failed', ...nothing });
    expect(await get(job.id)).toMatchObject({ status: 'failed', error: null });
  });

  it('keeps what the worker sent readable, NUL and all', async () => {
    const node = await master.node();
    const job = await master.submit({ max_retries: 0 });
    await master.report(node, await master.claimOne(node), {
      status: 'failed',
      error: 'a\u0000b',
      result: { metrics: { note: '\ud83c \u0000' } },
    });
    expect(await get(job.id)).toMatchObject({
      error: 'a\ufffdb',
      result: { metrics: { note: '\ufffd \ufffd' } },
    });
  });
});

describe('a cancel', () => {
  it('ends the job at once; the slot is free when the worker says so', async () => {
    const node = await master.node({ slots: 1 });
    const job = await master.submit();
    const attempt = await master.claimOne(node);

    expect(await master.jobs.cancel(PRINCIPAL, job.id)).toMatchObject({ status: 'canceled' });

    const beat = await master.heartbeats.beat(node, {
      attempts: [{ job_id: job.id, lease_token: attempt.lease_token, progress: 5 }],
    });
    expect(beat.attempts).toEqual([
      { job_id: job.id, lease: 'lost', lease_seconds: 0, cancel: true, pause: false },
    ]);
    const next = await master.submit();
    expect(await master.claim(node)).toEqual([]);
    expect(await master.report(node, attempt, { status: 'canceled' })).toBe('duplicate');
    expect((await master.claimOne(node)).id).toBe(next.id);
    expect(await master.report(node, attempt, { status: 'completed' })).toBe('stale');
    expect((await get(job.id)).status).toBe('canceled');
  });

  it('races success and failure of one job to one end, whatever the order (F15)', async () => {
    const other = await start();
    const node = await master.node({ slots: 40 });
    await Promise.all(Array.from({ length: 40 }, () => master.submit({ max_retries: 0 })));
    const attempts = await master.claim(node, { max_jobs: 40 });
    const ends = await Promise.all(
      attempts.map(async (attempt, k) => {
        const moves = [
          () => master.report(node, attempt, { status: 'completed' }),
          () => other.report(node, attempt, { status: 'failed', error: 'x' }),
          () =>
            other.jobs.cancel(PRINCIPAL, attempt.id).then(
              (job) => job.status,
              () => 'refused',
            ),
        ];
        const order = [k % 3, (k + 1) % 3, (k + 2) % 3];
        await Promise.all(order.map((move) => moves[move]!()));
        return attempt.id;
      }),
    );
    for (const id of ends) {
      const row = await master.jobs.find(PRINCIPAL, id);
      const events = await master.events.list(row, 0, 20);
      expect(events.map((event) => event.n)).toEqual([1, 2, 3]);
      expect(events.at(-1)?.to_status).toBe(row.status);
    }
  });
});

describe('a retry asked for', () => {
  it('gives the job its attempts back, with a new token (I2)', async () => {
    const node = await master.node();
    const job = await master.submit({ max_retries: 0 });
    const first = await master.claimOne(node);
    await master.report(node, first, { status: 'failed', error: 'no' });

    expect(await master.jobs.retry(PRINCIPAL, job.id)).toMatchObject({
      status: 'queued',
      retry_count: 1,
      error: null,
    });

    const second = await master.claimOne(node);
    expect(second).toMatchObject({ id: job.id, attempt: 2 });
    expect(second.lease_token).toBeGreaterThan(first.lease_token);
    expect(await master.report(node, first, { status: 'completed' })).toBe('stale');
    await master.report(node, second, { status: 'completed' });
    expect((await get(job.id)).status).toBe('completed');
    await expect(master.jobs.retry(PRINCIPAL, job.id)).rejects.toMatchObject({ status: 409 });
  });
});
