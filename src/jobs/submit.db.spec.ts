import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { WatchedDatabase } from '../../test/support/watched-database.js';
import { Database, type Queryable } from '../database/database.js';
import type { Statement } from '../database/statement.js';
import type { Job } from '../protocol/job.js';
import type { SubmitJob } from '../protocol/submit-job.js';
import { MAX_REQUIREMENTS } from './lanes.repository.js';

const db = useDatabase();
const masters: DispatchMaster[] = [];
let signals: LocalSignals;

beforeEach(async () => {
  signals = new LocalSignals();
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.idempotency_keys, ffmpeg_master.lanes`,
  );
});

afterEach(() => {
  for (const master of masters.splice(0)) master.stop();
});

async function start(database: Database = db.database): Promise<DispatchMaster> {
  const master = new DispatchMaster(database, signals);
  masters.push(master);
  return master.start();
}

async function threeMasters(): Promise<[DispatchMaster, DispatchMaster, DispatchMaster]> {
  return [await start(), await start(), await start()];
}

function one(master: DispatchMaster, idempotency_key: string, job: Partial<SubmitJob> = {}): Promise<Job> {
  const options = { route: 'POST /jobs', idempotency_key };
  return master.submits
    .submit(PRINCIPAL, [{ scenario: 'keyed', ...job }], options)
    .then(([made]) => made as Job);
}

function batch(master: DispatchMaster, jobs: SubmitJob[], idempotency_key?: string): Promise<Job[]> {
  return master.submits.submit(PRINCIPAL, jobs, { route: 'POST /jobs/batch', idempotency_key });
}

async function count(table: string): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ffmpeg_master.${table}`,
  );
  return rows[0]!.n;
}

async function runToEnd(master: DispatchMaster, job: Job): Promise<void> {
  const node = await master.node();
  const attempt = await master.claimOne(node);
  expect(attempt.id).toBe(job.id);
  expect(await master.report(node, attempt, { status: 'completed' })).toBe('accepted');
}

describe('a submitted job', () => {
  it('answers as it will be read, with the defaults filled in and its event written', async () => {
    const master = await start();
    await master.node();

    const made = await master.submit({ scenario: '720p-h264', tags: ['a', 'b'], timeout_seconds: 60 });

    expect(made).toMatchObject({
      scenario: '720p-h264',
      status: 'queued',
      queue: 'default',
      priority: 'medium',
      engine: 'auto',
      tags: ['a', 'b'],
      max_retries: master.settings.retry.max_retries,
      timeout_seconds: 60,
      waiting_for: null,
      progress: 0,
    });
    expect(await master.jobs.get(PRINCIPAL, made.id)).toEqual(made);
    const { rows } = await db.pool.query('SELECT n, type, to_status, actor FROM ffmpeg_master.job_events');
    expect(rows).toEqual([{ n: 1, type: 'submitted', to_status: 'queued', actor: 'test' }]);
  });

  it('with a future run_at waits for it, and with a past one not at all', async () => {
    const master = await start();
    const run_at = new Date(Date.now() + 3_600_000).toISOString();
    const node = await master.node();

    const future = await master.submit({ run_at });
    expect(future).toMatchObject({ status: 'queued', run_at, waiting_for: 'run_at' });
    expect(signals.sent.some((sent) => sent.startsWith('due '))).toBe(true);
    expect(await master.claim(node)).toEqual([]);

    const past = await master.submit({ run_at: '2001-01-01T00:00:00.000Z' });
    expect(past).toMatchObject({ run_at: '2001-01-01T00:00:00.000Z', waiting_for: null });
    expect((await master.claimOne(node)).id).toBe(past.id);
  });

  it('may wait until the year 9999, and is read, listed and run like any other', async () => {
    const master = await start();
    const job = await master.submit({ run_at: '9999-12-31T23:59:59Z' });
    const { items } = await master.jobs.list(PRINCIPAL, {});
    expect(items).toMatchObject([{ id: job.id, run_at: '9999-12-31T23:59:59.000Z' }]);
    await db.pool.query('UPDATE ffmpeg_master.jobs SET due_at = NULL');
    expect(await master.claimOne(await master.node())).toMatchObject({ id: job.id });
  });

  it('may name a queue that was not there, from three masters at once', async () => {
    const three = await threeMasters();
    const queue = `made-${randomUUID().slice(0, 8)}`;
    const made = await Promise.all(three.map((master) => master.submit({ queue })));
    expect(made.map((job) => job.queue)).toEqual([queue, queue, queue]);
    const { rows } = await db.pool.query('SELECT id FROM ffmpeg_master.lanes WHERE queue = $1', [queue]);
    expect(rows).toHaveLength(1);
  });

  it('is refused with 422 where it would be the tenant’s 1,001st requirement', async () => {
    const master = await start();
    await db.pool.query(
      `INSERT INTO ffmpeg_master.lanes (tenant_id, queue, priority, requirement, requirement_hash)
       SELECT 'default', 'default', 'medium', '{}', 'hash-' || k FROM generate_series(1, $1) k`,
      [MAX_REQUIREMENTS - 1],
    );
    const labels = (machine: string) => ({ requirements: { labels: { machine } } });

    await master.submit(labels('last'));
    await expect(master.submit(labels('one-more'))).rejects.toMatchObject({ status: 422 });
    await master.submit({ ...labels('last'), priority: 'high', queue: 'batch' });
    await expect(
      batch(master, [
        { scenario: 'fine', ...labels('last') },
        { scenario: 'not', ...labels('other') },
      ]),
    ).rejects.toMatchObject({ status: 422 });
    expect(await count('jobs')).toBe(2);
  });
});

describe('a batch', () => {
  it('gets its numbers in the order given', async () => {
    const master = await start();
    const jobs = Array.from({ length: 1000 }, (_, k) => ({ scenario: `clip-${k}` }));
    const made = await batch(master, jobs);
    expect(made.map((job) => job.scenario)).toEqual(jobs.map((job) => job.scenario));
    const numbers = made.map((job) => job.sequence_number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  it('is made whole or not at all, and harms none that rides in its statement', async () => {
    const master = await start();
    // The server refuses what jsonb cannot hold; the group is then repeated one by one.
    const broken = { scenario: 'b', parameters: { input: 'a\u0000b' } } as SubmitJob;

    const [good, bad, alsoGood] = await Promise.allSettled([
      batch(master, [{ scenario: 'a' }, { scenario: 'a' }]),
      batch(master, [{ scenario: 'b' }, broken]),
      batch(master, [{ scenario: 'c' }, { scenario: 'c' }]),
    ]);

    expect([good.status, bad.status, alsoGood.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const { rows } = await db.pool.query('SELECT scenario FROM ffmpeg_master.jobs ORDER BY 1');
    expect(rows.map((row: { scenario: string }) => row.scenario)).toEqual(['a', 'a', 'c', 'c']);
  });
});

describe('sequence numbers', () => {
  it('are unique and readable at once through three masters that submit together', async () => {
    const three = await threeMasters();
    const made = (
      await Promise.all([
        ...Array.from({ length: 150 }, (_, k) => three[k % 3]!.submit()),
        ...three.map((master) => batch(master, Array(50).fill({ scenario: 'batch' }) as SubmitJob[])),
      ])
    ).flat();

    const numbers = made.map((job) => job.sequence_number);
    expect(new Set(numbers).size).toBe(300);
    for (const job of made.slice(0, 20)) {
      expect((await three[2].jobs.get(PRINCIPAL, String(job.sequence_number))).id).toBe(job.id);
    }
  });

  it('may have gaps: a statement that failed has used some', async () => {
    const master = await start();
    const before = await master.submit();
    await db.pool.query(`SELECT nextval('ffmpeg_master.job_sequence_numbers') FROM generate_series(1, 7)`);
    const after = await master.submit();
    expect(after.sequence_number).toBeGreaterThan(before.sequence_number + 7);
  });
});

describe('an Idempotency-Key', () => {
  it('gives the same job for the same body, also when that was archived meanwhile (I9)', async () => {
    const [first, second] = await threeMasters();
    const made = await one(first, 'k1');
    expect((await one(first, 'k1')).id).toBe(made.id);
    await runToEnd(first, made);

    const again = await one(second, 'k1');

    expect(again).toMatchObject({ id: made.id, sequence_number: made.sequence_number, status: 'completed' });
    expect(await count('jobs')).toBe(0);
  });

  it('takes the same members in another order for the same body', async () => {
    const master = await start();
    const made = await one(master, 'k0', {
      priority: 'high',
      parameters: { video_codec: 'libx264', width: 1280, height: 720 },
    } as Partial<SubmitJob>);
    const again = await one(master, 'k0', {
      parameters: { height: 720, width: 1280, video_codec: 'libx264' },
      priority: 'high',
    } as Partial<SubmitJob>);
    expect(again.id).toBe(made.id);
  });

  it('is refused with 422 for another body, in the same statement too (I9)', async () => {
    const [first, second] = await threeMasters();
    const [a, b] = await Promise.allSettled([
      one(first, 'k2', { scenario: 'a' }),
      one(first, 'k2', { scenario: 'b' }),
    ]);
    expect([a, b].filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = a.status === 'rejected' ? a : b;
    expect(refused).toMatchObject({ reason: { status: 422 } });
    await expect(one(second, 'k2', { scenario: 'c' })).rejects.toMatchObject({ status: 422 });
    expect(await count('jobs')).toBe(1);
  });

  it('that is none makes nothing, not even the lane of its job', async () => {
    const master = await start();
    await expect(one(master, 'two words', { queue: 'live' })).rejects.toMatchObject({ status: 400 });
    expect(await count('lanes')).toBe(0);
  });

  it('makes one job of 100 submits at once through three masters (I9, F14)', async () => {
    const three = await threeMasters();
    const made = await Promise.all(Array.from({ length: 100 }, (_, k) => one(three[k % 3]!, 'k3')));
    expect(new Set(made.map((job) => job.id)).size).toBe(1);
    expect(await count('jobs')).toBe(1);
    expect(await count('job_events')).toBe(1);
  });

  it('makes a repeat wait for the first while that one commits', async () => {
    const held = new HeldDatabase(db.database);
    const [first, second] = [await start(held), await start()];
    const made = one(first, 'k4');
    await held.reached;
    let answered = false;
    const repeat = one(second, 'k4').then((job) => ((answered = true), job));
    await waitsForAnother();
    expect(answered).toBe(false);
    held.release();
    expect((await repeat).id).toBe((await made).id);
  });

  it('stands for a whole batch', async () => {
    const [first, second] = await threeMasters();
    const jobs = [{ scenario: 'a' }, { scenario: 'b' }, { scenario: 'c' }];
    const made = await batch(first, jobs, 'k5');
    const again = await batch(second, jobs, 'k5');
    expect(again.map((job) => job.id)).toEqual(made.map((job) => job.id));
    await expect(batch(second, jobs.slice(1), 'k5')).rejects.toMatchObject({ status: 422 });
    expect(await count('jobs')).toBe(3);
  });

  it('belongs to one route and one tenant', async () => {
    const master = await start();
    const single = await one(master, 'k6');
    const [inBatch] = await batch(master, [{ scenario: 'keyed' }], 'k6');
    const [others] = await master.submits.submit(
      { ...PRINCIPAL, tenant_id: 'other' },
      [{ scenario: 'keyed' }],
      {
        route: 'POST /jobs',
        idempotency_key: 'k6',
      },
    );
    expect(new Set([single.id, inBatch?.id, others?.id]).size).toBe(3);
  });

  it.each(['', 'two words', 'ü', 'x'.repeat(256)])('is refused where it is %j', async (key) => {
    await expect(one(await start(), key)).rejects.toMatchObject({ status: 400 });
  });
});

describe('a connection lost after the commit', () => {
  it('makes no second job', async () => {
    const cut = new CutDatabase(db.database);
    const master = await start(cut);
    const made = await master.submit();
    expect(cut.cuts).toBe(1);
    expect((await master.jobs.get(PRINCIPAL, made.id)).sequence_number).toBe(made.sequence_number);
    expect(await count('jobs')).toBe(1);
    expect(await count('job_events')).toBe(1);
  });

  it('brings no job back that ran to its end meanwhile, beside others of its group', async () => {
    const other = await start();
    const node = await other.node();
    const cut = new CutDatabase(db.database, async () => {
      const attempt = await other.claimOne(node);
      await other.report(node, attempt, { status: 'completed' });
    });
    const master = await start(cut);

    const [finished, waiting] = await Promise.all([master.submit(), master.submit()]);

    expect(cut.cuts).toBe(1);
    expect(finished.status).toBe('completed');
    expect(waiting.status).toBe('queued');
    expect(await count('jobs')).toBe(1);
    expect(await count('job_history')).toBe(1);
  });

  it.each([
    ['job', 1, 0],
    ['batch', 3, 0],
    // Of another day no event stands in its way.
    ['job of another day', 1, 1],
    ['batch of another day', 3, 1],
  ])('brings no %s back that is archived while the repeat inserts it', async (_kind, size, days) => {
    const ending = new WatchedDatabase(db.database);
    const report = ending.commitLate('ReportAttempts');
    const other = await start(ending);
    const node = await other.node();
    let ended: Promise<unknown> = Promise.resolve();
    const cut = new CutDatabase(db.database, async () => {
      const attempt = await other.claimOne(node);
      await db.pool.query('UPDATE ffmpeg_master.job_events SET day = day + $1::int', [days]);
      ended = other.report(node, attempt, { status: 'completed' });
      await report.reached;
    });
    const master = await start(cut);

    const jobs = Array.from({ length: size }, (_, k) => ({ scenario: `part-${k}` }));
    const submitted = batch(master, jobs);
    // The repeat has found nothing in the history, and meets the row that is being archived.
    await waitsForAnother();
    report.commit();

    expect(cut.cuts).toBe(1);
    expect(await ended).toBe('accepted');
    expect((await submitted).map((job) => [job.scenario, job.status])).toEqual(
      jobs.map(({ scenario }, k) => [scenario, k === 0 ? 'completed' : 'queued']),
    );
    expect(await count('jobs')).toBe(size - 1);
    expect(await count('job_history')).toBe(1);
    const { rows } = await db.pool.query(
      `SELECT type, count(*)::int AS n FROM ffmpeg_master.job_events GROUP BY type ORDER BY type`,
    );
    expect(rows).toEqual([
      { type: 'assigned', n: 1 },
      { type: 'completed', n: 1 },
      { type: 'submitted', n: size },
    ]);
  });

  it('gives a keyed job again', async () => {
    const cut = new CutDatabase(db.database);
    const master = await start(cut);
    const made = await one(master, 'k7');
    expect(cut.cuts).toBe(1);
    expect(await count('jobs')).toBe(1);
    expect((await one(master, 'k7')).id).toBe(made.id);
  });
});

/** Passes everything on; what comes after `CreateJob` differs. */
abstract class AroundCreateJob extends Database {
  constructor(private readonly inner: Database) {
    super();
  }

  async query<Row>(statement: Statement, values?: readonly unknown[]): Promise<Row[]> {
    if (statement.name !== 'CreateJob') return this.inner.query<Row>(statement, values);
    return this.around(this.inner, (database) => database.query<Row>(statement, values));
  }

  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return this.inner.transaction(work);
  }

  whenConnected(withinMs: number): Promise<void> {
    return this.inner.whenConnected(withinMs);
  }

  protected abstract around<T>(inner: Database, create: (database: Queryable) => Promise<T>): Promise<T>;
}

/** Loses the first answer, after the commit. */
class CutDatabase extends AroundCreateJob {
  cuts = 0;

  constructor(
    inner: Database,
    private readonly meanwhile: () => Promise<void> = async () => undefined,
  ) {
    super(inner);
  }

  protected async around<T>(inner: Database, create: (database: Queryable) => Promise<T>): Promise<T> {
    const answer = await create(inner);
    if (this.cuts > 0) return answer;
    this.cuts += 1;
    await this.meanwhile();
    throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
  }
}

/** Keeps the statement's transaction open until it is released. */
class HeldDatabase extends AroundCreateJob {
  release: () => void = () => undefined;
  private arrive: () => void = () => undefined;
  readonly reached = new Promise<void>((resolve) => (this.arrive = resolve));
  private readonly released = new Promise<void>((resolve) => (this.release = resolve));

  protected around<T>(inner: Database, create: (database: Queryable) => Promise<T>): Promise<T> {
    return inner.transaction(async (transaction) => {
      const answer = await create(transaction);
      this.arrive();
      await this.released;
      return answer;
    });
  }
}

/** Until a session of this database waits for another one's transaction. */
async function waitsForAnother(): Promise<void> {
  await eventually(async () => {
    const { rows } = await db.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(rows).toHaveLength(1);
  });
}
