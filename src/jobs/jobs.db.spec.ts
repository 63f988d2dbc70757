import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import type { Job } from '../protocol/job.js';

const db = useDatabase();
let master: DispatchMaster;
let node: string;

type Attempt = Awaited<ReturnType<DispatchMaster['claimOne']>>;

const STRANGER = { ...PRINCIPAL, tenant_id: 'somebody-else' };

beforeEach(async () => {
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.job_logs, ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
  );
  master = await new DispatchMaster(db.database, new LocalSignals()).start();
  node = await master.node({ slots: 50 });
});

afterEach(() => master.stop());

async function events(job: Job, after = 0): Promise<string[]> {
  const row = await master.jobs.find(PRINCIPAL, job.id);
  return (await master.events.list(row, after, 100)).map(({ n, type }) => `${n} ${type}`);
}

async function begin(attempt: Attempt): Promise<void> {
  const { id, lease_token } = attempt;
  await master.heartbeats.beat(node, { attempts: [{ job_id: id, lease_token, started: true }] });
}

async function beat(attempt: Attempt) {
  const answer = await master.heartbeats.beat(node, {
    attempts: [{ job_id: attempt.id, lease_token: attempt.lease_token }],
  });
  return answer.attempts[0]!;
}

/** A job in each state that a client can meet, and the attempt it is in. */
const STATES: Record<string, () => Promise<{ job: Job; attempt?: Attempt }>> = {
  queued: async () => ({ job: await master.submit() }),
  assigned: async () => ({ job: await master.submit(), attempt: await master.claimOne(node) }),
  running: async () => {
    const made = await STATES.assigned!();
    await begin(made.attempt!);
    return made;
  },
  retrying: async () => {
    const made = await STATES.running!();
    await master.report(node, made.attempt!, { status: 'failed', error: 'broken' });
    return { job: made.job };
  },
  completed: () => ended('completed'),
  failed: () => ended('failed'),
  canceled: async () => {
    const job = await master.submit();
    await master.jobs.cancel(PRINCIPAL, job.id);
    return { job };
  },
  rejected: async () => {
    const made = await ended('completed');
    await db.pool.query(`UPDATE ffmpeg_master.job_history SET status = 'rejected' WHERE id = $1`, [
      made.job.id,
    ]);
    return made;
  },
};

async function ended(status: 'completed' | 'failed'): Promise<{ job: Job }> {
  const job = await master.submit({ max_retries: 0 });
  await master.report(node, await master.claimOne(node), { status });
  return { job };
}

describe('a job', () => {
  it('is found by id and by number, live and archived', async () => {
    const live = await master.submit();
    const { job: archived } = await ended('completed');
    for (const { id, sequence_number } of [live, archived]) {
      expect((await master.jobs.get(PRINCIPAL, id)).id).toBe(id);
      expect((await master.jobs.get(PRINCIPAL, id.toUpperCase())).id).toBe(id);
      expect((await master.jobs.get(PRINCIPAL, String(sequence_number))).id).toBe(id);
    }
  });

  it('is not taken for another where its id begins with that one’s number', async () => {
    const job = await master.submit();
    const number = job.sequence_number;
    const id = `${number}${randomUUID().slice(String(number).length)}`;
    await expect(master.jobs.get(PRINCIPAL, id)).rejects.toMatchObject({ status: 404 });
  });

  it.each(['0', '999999999999', 'x', '1x', ' 1', '-1', '1.5', '', '01234567-89ab-7def-8123-456789abcdef'])(
    'is not there for %j',
    async (reference) => {
      await master.submit();
      await expect(master.jobs.get(PRINCIPAL, reference)).rejects.toMatchObject({ status: 404 });
    },
  );

  it('of another tenant is not there: not to read, not to change', async () => {
    const { job: live } = await STATES.running!();
    const { job: archived } = await ended('failed');
    for (const job of [live, archived]) {
      for (const reference of [job.id, String(job.sequence_number)]) {
        for (const verb of ['get', 'cancel', 'pause', 'resume', 'retry'] as const)
          await expect(master.jobs[verb](STRANGER, reference)).rejects.toMatchObject({ status: 404 });
      }
    }
    expect((await master.jobs.list(STRANGER, {})).items).toEqual([]);
    expect((await master.jobs.get(PRINCIPAL, live.id)).status).toBe('running');
  });
});

describe('on a job that is', () => {
  const LIVE = ['queued', 'assigned', 'running', 'retrying'];

  it.each(Object.keys(STATES))(
    '%s, cancel, pause, resume and retry do what the machine allows (I5)',
    async (state) => {
      const live = LIVE.includes(state);
      const { job } = await STATES[state]!();
      const refused = { status: 409, extras: { current_status: state } };

      if (live) {
        await expect(master.jobs.resume(PRINCIPAL, job.id)).rejects.toMatchObject(refused);
        expect(await master.jobs.pause(PRINCIPAL, job.id)).toMatchObject({ status: state, paused: true });
        expect(await master.jobs.pause(PRINCIPAL, job.id)).toMatchObject({ status: state, paused: true });
        expect(await master.jobs.resume(PRINCIPAL, job.id)).toMatchObject({ status: state, paused: false });
        await expect(master.jobs.retry(PRINCIPAL, job.id)).rejects.toMatchObject(refused);
        expect(await master.jobs.cancel(PRINCIPAL, job.id)).toMatchObject({
          status: 'canceled',
          paused: false,
        });
        expect((await events(job)).slice(-3).map((event) => event.split(' ')[1])).toEqual([
          'paused',
          'resumed',
          'canceled',
        ]);
        return;
      }
      await expect(master.jobs.pause(PRINCIPAL, job.id)).rejects.toMatchObject(refused);
      await expect(master.jobs.resume(PRINCIPAL, job.id)).rejects.toMatchObject(refused);
      if (state === 'canceled')
        expect(await master.jobs.cancel(PRINCIPAL, job.id)).toMatchObject({ status: state });
      else await expect(master.jobs.cancel(PRINCIPAL, job.id)).rejects.toMatchObject(refused);
      if (state === 'failed' || state === 'canceled') {
        const again = await master.jobs.retry(PRINCIPAL, job.id);
        expect(again).toMatchObject({ id: job.id, status: 'queued', retry_count: 1, completed_at: null });
        expect((await events(job)).at(-1)).toMatch(/ retried$/);
        expect((await master.claimOne(node)).id).toBe(job.id);
      } else {
        await expect(master.jobs.retry(PRINCIPAL, job.id)).rejects.toMatchObject(refused);
      }
    },
  );
});

describe('a retry', () => {
  it('gives all attempts back, with a higher token, and leaves no gap in the events (I2, I5, I10)', async () => {
    const job = await master.submit({ max_retries: 0 });
    const first = await master.claimOne(node);
    await master.report(node, first, { status: 'failed' });
    await master.jobs.retry(PRINCIPAL, job.id);
    const second = await master.claimOne(node);
    expect(second.lease_token).toBeGreaterThan(first.lease_token);
    expect(second.attempt).toBe(2);
    expect(await master.report(node, first, { status: 'completed' })).toBe('stale');
    expect(await master.report(node, second, { status: 'completed' })).toBe('accepted');
    const all = await events(job);
    expect(all.map((event) => Number(event.split(' ')[0]))).toEqual(all.map((_, k) => k + 1));
  });
});

describe('a retry of a job that was canceled before its run_at', () => {
  it('waits for that time like the first one (I8)', async () => {
    const run_at = new Date(Date.now() + 3_600_000).toISOString();
    const job = await master.submit({ run_at });
    await master.jobs.cancel(PRINCIPAL, job.id);
    const again = await master.jobs.retry(PRINCIPAL, job.id);
    expect(again).toMatchObject({ status: 'queued', run_at, waiting_for: 'run_at' });
    expect(await master.claim(node)).toEqual([]);
  });
});

describe('a cancel', () => {
  it('tells the worker at its next heartbeat and keeps its slot until it obeys', async () => {
    const { job, attempt } = await STATES.running!();
    await master.jobs.cancel(PRINCIPAL, job.id);
    expect(await beat(attempt!)).toMatchObject({ lease: 'lost', cancel: true });
    expect(await runningOn(node)).toBe(1);
    expect(await master.report(node, attempt!, { status: 'canceled' })).toBe('duplicate');
    expect(await runningOn(node)).toBe(0);
  });

  it('that waits for a claim to commit revokes the lease which that claim made', async () => {
    const job = await master.submit();
    const claim = await db.pool.connect();
    try {
      // The claim's writes in a transaction that stays open while the cancel begins.
      await claim.query('BEGIN');
      await claim.query(
        `WITH taken AS (UPDATE ffmpeg_master.jobs SET status = 'assigned', node_id = $2, claim_id = $3, attempt = 1,
                        lease_token = nextval('ffmpeg_master.lease_tokens'), event_count = 2 WHERE id = $1 RETURNING *)
         INSERT INTO ffmpeg_master.leases (lease_token, job_id, node_id, claim_id, queue, assigned_at, expires_at)
         SELECT lease_token, id, node_id, claim_id, queue, now(), now() + interval '30 s' FROM taken`,
        [job.id, node, randomUUID()],
      );
      const canceled = master.jobs.cancel(PRINCIPAL, job.id);
      await somebodyWaits();
      await claim.query('COMMIT');
      expect((await canceled).status).toBe('canceled');
    } finally {
      claim.release();
    }
    const { rows } = await db.pool.query('SELECT revoked, canceled FROM ffmpeg_master.leases');
    expect(rows).toEqual([{ revoked: true, canceled: true }]);
  });

  it('that commits while the report waits for it leaves the slot free', async () => {
    const { job, attempt } = await STATES.running!();
    const cancel = await db.pool.connect();
    try {
      await cancel.query('BEGIN');
      await cancel.query('DELETE FROM ffmpeg_master.jobs WHERE id = $1', [job.id]);
      await cancel.query(
        'UPDATE ffmpeg_master.leases SET revoked = true, canceled = true WHERE job_id = $1',
        [job.id],
      );
      const outcome = master.report(node, attempt!, { status: 'completed' });
      await somebodyWaits();
      await cancel.query('COMMIT');
      expect(await outcome).toBe('stale');
    } finally {
      cancel.release();
    }
    expect(await runningOn(node)).toBe(0);
  });

  it('and complete and fail at once: one of them ends the job, and nothing stays behind (F15)', async () => {
    for (let round = 0; round < 20; round += 1) {
      const job = await master.submit({ max_retries: 0 });
      const attempt = await master.claimOne(node);
      const racers = [
        () => master.jobs.cancel(PRINCIPAL, job.id),
        () => master.report(node, attempt, { status: 'completed' }),
        () => master.report(node, attempt, { status: 'failed' }),
      ];
      const from = round % 3;
      await Promise.allSettled([...racers.slice(from), ...racers.slice(0, from)].map((race) => race()));
      const { status } = await master.jobs.get(PRINCIPAL, job.id);
      if (status === 'canceled') await master.report(node, attempt, { status: 'canceled' });
      expect(await events(job)).toEqual(['1 submitted', '2 assigned', `3 ${status}`]);
      expect(await runningOn(node)).toBe(0);
    }
    const { rows } = await db.pool.query('SELECT FROM ffmpeg_master.leases');
    expect(rows).toEqual([]);
  });
});

describe('a pause', () => {
  it('keeps a waiting job from being claimed', async () => {
    const { job } = await STATES.queued!();
    expect((await master.jobs.pause(PRINCIPAL, job.id)).waiting_for).toBe('paused');
    expect(await master.claim(node)).toEqual([]);
    await master.jobs.resume(PRINCIPAL, job.id);
    expect((await master.claimOne(node)).id).toBe(job.id);
  });

  it('reaches the worker and stops the attempt’s clock, which goes on where it stood', async () => {
    const { job, attempt } = await STATES.running!();
    await db.pool.query(`UPDATE ffmpeg_master.leases SET clock_from = now() - interval '100 s'`);
    await master.jobs.pause(PRINCIPAL, job.id);
    expect(await beat(attempt!)).toMatchObject({ lease: 'extended', pause: true });
    await db.pool.query(`UPDATE ffmpeg_master.leases SET paused_at = now() - interval '60 s'`);
    await master.jobs.resume(PRINCIPAL, job.id);
    expect(await beat(attempt!)).toMatchObject({ lease: 'extended', pause: false });
    const { rows } = await db.pool.query<{ elapsed: number; paused_at: Date | null }>(
      'SELECT extract(epoch FROM now() - clock_from)::float8 AS elapsed, paused_at FROM ffmpeg_master.leases',
    );
    expect(rows[0]!.paused_at).toBeNull();
    expect(Math.round(rows[0]!.elapsed)).toBeGreaterThanOrEqual(40);
    expect(Math.round(rows[0]!.elapsed)).toBeLessThan(60);
  });

  it('counts an attempt that began before its worker heard of the pause from its resumption on', async () => {
    const { job } = await STATES.assigned!();
    await master.jobs.pause(PRINCIPAL, job.id);
    await db.pool.query(
      `UPDATE ffmpeg_master.leases SET paused_at = now() - interval '60 s', clock_from = now() - interval '10 s'`,
    );
    await master.jobs.resume(PRINCIPAL, job.id);
    const { rows } = await db.pool.query<{ elapsed: number }>(
      'SELECT extract(epoch FROM now() - clock_from)::float8 AS elapsed FROM ffmpeg_master.leases',
    );
    expect(rows[0]!.elapsed).toBeGreaterThanOrEqual(0);
    expect(rows[0]!.elapsed).toBeLessThan(9);
  });
});

describe('logs', () => {
  const START = { lease_token: 0, start_offset: -1 };

  async function text(job: Job): Promise<string> {
    const row = await master.jobs.find(PRINCIPAL, job.id);
    let after = START;
    let all = '';
    for (;;) {
      const page = await master.logs.read(row, after);
      if (page.chunks.length === 0) return all;
      all += page.chunks.map((chunk) => chunk.text).join('');
      after = page.after;
    }
  }

  it('are appended, once each, and read in order across attempts', async () => {
    const { job, attempt } = await STATES.running!();
    const { lease_token } = attempt!;
    await Promise.all(
      Array.from({ length: 300 }, (_, k) =>
        master.logs.append(job.id, {
          lease_token,
          offset: k * 3,
          text: `${String(k).padStart(2, '0').slice(-2)}\n`,
        }),
      ),
    );
    expect(await master.logs.append(job.id, { lease_token, offset: 0, text: '00\n' })).toEqual({
      next_offset: 3,
    });
    await master.report(node, attempt!, { status: 'released' });
    const second = await master.claimOne(node);
    await master.logs.append(job.id, { lease_token: second.lease_token, offset: 0, text: 'second \u0000' });

    const lines = (await text(job)).split('\n');
    expect(lines).toHaveLength(301);
    expect(lines.slice(0, 3)).toEqual(['00', '01', '02']);
    expect(lines.at(-1)).toBe('second \ufffd');
  });

  it('show a chunk once that was sent again after midnight', async () => {
    const { job, attempt } = await STATES.running!();
    await makePartitions('job_logs', 1);
    await master.logs.append(job.id, { lease_token: attempt!.lease_token, offset: 0, text: 'once' });
    await db.pool.query(
      `INSERT INTO ffmpeg_master.job_logs SELECT day + 1, job_id, lease_token, start_offset, text FROM ffmpeg_master.job_logs`,
    );
    expect(await text(job)).toBe('once');
  });

  it('are refused with 409 under a token that the job never had, or has no more (I3, F23)', async () => {
    const { job, attempt } = await STATES.running!();
    const { lease_token } = attempt!;
    const lie = { lease_token: lease_token + 1000, offset: 0, text: 'a lie' };
    await expect(master.logs.append(job.id, lie)).rejects.toMatchObject({ status: 409 });
    await master.report(node, attempt!, { status: 'released' });
    await master.claimOne(node);
    const late = { lease_token, offset: 0, text: 'late' };
    await expect(master.logs.append(job.id, late)).rejects.toMatchObject({ status: 409 });
    expect(await text(job)).toBe('');
  });

  it('are refused with 409 under a lease that is over or another’s (I3)', async () => {
    const { job, attempt } = await STATES.running!();
    const other = await STATES.running!();
    const chunk = { lease_token: attempt!.lease_token, offset: 0, text: 'late' };
    await expect(master.logs.append(other.job.id, chunk)).rejects.toMatchObject({ status: 409 });
    await master.jobs.cancel(PRINCIPAL, job.id);
    await expect(master.logs.append(job.id, chunk)).rejects.toMatchObject({ status: 409 });
    expect(await text(job)).toBe('');
  });

  it('end at 4,000,000 characters, without failing the attempt', async () => {
    const { job, attempt } = await STATES.running!();
    const { lease_token } = attempt!;
    expect(await master.logs.append(job.id, { lease_token, offset: 3_999_990, text: 'the last 9' })).toEqual({
      next_offset: 4_000_000,
    });
    expect(await master.logs.append(job.id, { lease_token, offset: 4_000_000, text: 'too much' })).toEqual({
      next_offset: 4_000_000,
    });
    expect(await text(job)).toBe('the last 9');
  });
});

describe('the events of a job', () => {
  it('are read across days and pages, in order', async () => {
    await makePartitions('job_history', 20);
    await makePartitions('job_events', 20);
    const { job } = await STATES.queued!();
    await db.pool.query(`UPDATE ffmpeg_master.jobs SET created_at = now() - interval '20 days'`);
    await db.pool.query(
      `INSERT INTO ffmpeg_master.job_events (day, job_id, n, generation, type, to_status, attempt, tenant_id, queue)
       SELECT (now() AT TIME ZONE 'UTC')::date - 20 + k, $1, k + 2, 1, 'paused', 'queued', 0, 'default', 'default'
       FROM generate_series(0, 20) k`,
      [job.id],
    );
    await db.pool.query('UPDATE ffmpeg_master.job_events SET day = day - 20 WHERE n = 1');
    // The list of days is kept for ten seconds; another master reads it anew.
    master.stop();
    master = await new DispatchMaster(db.database, new LocalSignals()).start();
    const row = await master.jobs.find(PRINCIPAL, job.id);

    const seen: number[] = [];
    for (;;) {
      const page = await master.events.list(row, seen.at(-1) ?? 0, 5);
      if (page.length === 0) break;
      seen.push(...page.map(({ n }) => n));
    }
    expect(seen).toEqual(Array.from({ length: 22 }, (_, k) => k + 1));
  });
});

async function makePartitions(parent: string, days: number): Promise<void> {
  await db.pool.query(
    `SELECT ffmpeg_master.make_partition($1, (now() AT TIME ZONE 'UTC')::date - k) FROM generate_series(0, $2) k`,
    [parent, days],
  );
}

async function runningOn(node_id: string): Promise<number> {
  const { rows } = await db.pool.query<{ running: number }>(
    'SELECT running FROM ffmpeg_master.node_counters WHERE node_id = $1',
    [node_id],
  );
  return rows[0]!.running;
}

async function somebodyWaits(): Promise<void> {
  await eventually(async () => {
    const { rows } = await db.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(rows).toHaveLength(1);
  });
}
