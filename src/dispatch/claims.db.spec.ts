import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PATIENT, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { Overloaded } from '../database/overloaded.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { WatchedDatabase } from '../../test/support/watched-database.js';
import type { Asker } from './waiting-claim.js';

const db = useDatabase();
const masters: DispatchMaster[] = [];
let signals: LocalSignals;

beforeEach(async () => {
  signals = new LocalSignals();
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence,
              ffmpeg_master.queue_counters`,
  );
  await db.pool.query(
    'UPDATE ffmpeg_master.queues SET max_running = NULL, paused = false, aging_step_us = NULL',
  );
});

afterEach(() => {
  for (const master of masters.splice(0)) master.stop();
});

async function start(): Promise<DispatchMaster> {
  const master = new DispatchMaster(db.database, signals);
  masters.push(master);
  return master.start();
}

async function limit(queue: string, max_running: number): Promise<void> {
  await db.pool.query('UPDATE ffmpeg_master.queues SET max_running = $2 WHERE name = $1', [
    queue,
    max_running,
  ]);
  await db.pool.query('INSERT INTO ffmpeg_master.queue_counters VALUES ($1, 0)', [queue]);
}

describe('a claim', () => {
  it('gives a waiting job a lease, a token and an event', async () => {
    const master = await start();
    const node = await master.node();
    const job = await master.submit({ scenario: '720p-h264', parameters: { duration: 3 } });

    const [attempt] = await master.claim(node);

    expect(attempt).toMatchObject({
      id: job.id,
      scenario: '720p-h264',
      parameters: { duration: 3 },
      attempt: 1,
    });
    expect(await master.jobs.get(PRINCIPAL, job.id)).toMatchObject({
      status: 'assigned',
      node_id: node,
      attempt: 1,
    });
    const events = await master.events.list(await master.jobs.find(PRINCIPAL, job.id), 0, 10);
    expect(events.map(({ n, type, to_status }) => [n, type, to_status])).toEqual([
      [1, 'submitted', 'queued'],
      [2, 'assigned', 'assigned'],
    ]);
    const { rows } = await db.pool.query('SELECT * FROM ffmpeg_master.leases');
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ job_id: job.id, node_id: node, lease_token: attempt?.lease_token });
  });

  it('takes queues by rank, priorities within a queue, and the oldest first', async () => {
    const master = await start();
    const node = await master.node({ slots: 10 });
    const wanted = [
      ['batch', 'high'],
      ['default', 'low'],
      ['default', 'medium'],
      ['default', 'medium'],
      ['other', 'high'],
      ['live', 'low'],
    ] as const;
    const ids: string[] = [];
    for (const [queue, priority] of wanted) ids.push((await master.submit({ queue, priority })).id);

    const order: string[] = [];
    for (let k = 0; k < wanted.length; k += 1) order.push((await master.claimOne(node)).id);

    expect(order.map((id) => ids.indexOf(id))).toEqual([5, 4, 2, 3, 1, 0]);
  });

  it('lets waiting outweigh a level where the queue ages', async () => {
    const master = await start();
    const node = await master.node({ slots: 10 });
    await db.pool.query(`UPDATE ffmpeg_master.queues SET aging_step_us = 1000000 WHERE name = 'default'`);
    signals.resync();
    const old = await master.submit({ priority: 'low' });
    await db.pool.query('UPDATE ffmpeg_master.jobs SET position = position - 10000000 WHERE id = $1', [
      old.id,
    ]);
    await master.submit({ priority: 'high' });
    await master.lanes.readHeads();

    expect((await master.claimOne(node)).id).toBe(old.id);
  });

  it('passes over what a node may not run, and tells what the job waits for', async () => {
    const master = await start();
    const node = await master.node();
    const gpu = await master.submit({ requirements: { gpu: true }, priority: 'high' });
    const plain = await master.submit();

    expect((await master.claimOne(node)).id).toBe(plain.id);
    expect(await master.claim(node)).toEqual([]);
    expect((await master.jobs.get(PRINCIPAL, gpu.id)).waiting_for).toBe('requirement');

    const gpuNode = await master.node({ gpus: [{ name: 'test' }] });
    expect((await master.claimOne(gpuNode)).id).toBe(gpu.id);
  });

  it('gives each job once, with three masters and all claims at once (I2)', async () => {
    const three = [await start(), await start(), await start()];
    const nodes = await Promise.all(Array.from({ length: 30 }, () => three[0]!.node({ slots: 10 })));
    const jobs = await Promise.all(Array.from({ length: 250 }, (_, k) => three[k % 3]!.submit()));

    const given = await Promise.all(
      nodes.flatMap((node, k) => [0, 1, 2].map((m) => three[(k + m) % 3]!.claim(node, { max_jobs: 4 }))),
    );

    const ids = given.flat().map((attempt) => attempt.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual(jobs.map((job) => job.id).sort());
  });

  it('never gives a node more than its slots, also through three masters (I7)', async () => {
    const three = [await start(), await start(), await start()];
    const node = await three[0]!.node({ slots: 3 });
    await Promise.all(Array.from({ length: 30 }, () => three[0]!.submit()));

    const given = await Promise.all(
      three.flatMap((master) => [0, 1, 2].map(() => master.claim(node, { max_jobs: 3 }))),
    );

    expect(given.flat()).toHaveLength(3);
  });

  it('counts a node under its lock: claims that meet at it see one another (I7)', async () => {
    const three = [await start(), await start(), await start()];
    const node = await three[0]!.node({ slots: 3 });
    await Promise.all(Array.from({ length: 30 }, () => three[0]!.submit()));
    // Else a claim may first wait in the small statement of those for which no lane is known.
    await Promise.all(three.map((master) => master.lanes.readHeads()));
    const held = await db.pool.connect();
    await held.query('BEGIN');
    await held.query('SELECT 1 FROM ffmpeg_master.node_counters WHERE node_id = $1 FOR UPDATE', [node]);
    const claims = Promise.all(three.map((master) => master.claim(node, { max_jobs: 3 })));
    try {
      await eventually(async () => {
        const { rows } = await db.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        expect(rows).toHaveLength(3);
      });
    } finally {
      await held.query('COMMIT');
      held.release();
    }
    expect((await claims).flat()).toHaveLength(3);
  });

  it('takes no job that another claim took between its look and its lock (I2)', async () => {
    const [master, other] = [await start(), await start()];
    const [node, faster] = [await master.node(), await other.node()];
    const job = await master.submit();
    await Promise.all([master, other].map((one) => one.lanes.readHeads()));
    const held = await db.pool.connect();
    await held.query('BEGIN');
    await held.query('SELECT 1 FROM ffmpeg_master.node_counters WHERE node_id = $1 FOR UPDATE', [node]);
    // What it sees is from before its wait for the counter.
    const slow = master.claim(node);
    try {
      await eventually(async () => {
        const { rows } = await db.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        expect(rows).toHaveLength(1);
      });
      expect((await other.claimOne(faster)).id).toBe(job.id);
    } finally {
      await held.query('COMMIT');
      held.release();
    }
    expect(await slow).toEqual([]);
    const { rows } = await db.pool.query('SELECT node_id FROM ffmpeg_master.leases');
    expect(rows).toEqual([{ node_id: faster }]);
  });

  it('never exceeds max_running of a queue, and goes on when a job of it ends (I7)', async () => {
    const three = [await start(), await start(), await start()];
    await limit('batch', 5);
    signals.resync();
    await Promise.all(three.map((master) => master.queues.list(PRINCIPAL)));
    const nodes = await Promise.all(Array.from({ length: 12 }, () => three[0]!.node({ slots: 2 })));
    const jobs = await Promise.all(
      Array.from({ length: 20 }, (_, k) =>
        three[k % 3]!.submit({ queue: 'batch', priority: k % 2 === 0 ? 'high' : 'low' }),
      ),
    );

    const given = (
      await Promise.all(nodes.map((node, k) => three[k % 3]!.claim(node, { max_jobs: 2 })))
    ).flatMap((attempts, k) => attempts.map((attempt) => ({ ...attempt, node: nodes[k]! })));

    expect(given).toHaveLength(5);
    const waiting = jobs.find((job) => !given.some((attempt) => attempt.id === job.id))!;
    signals.resync();
    await eventually(
      async () => expect((await three[1]!.jobs.get(PRINCIPAL, waiting.id)).waiting_for).toBe('limit'),
      { within: 2000 },
    );
    const parked = three[2]!.claim(nodes[11]!, { wait_seconds: 20 });
    expect(await three[0]!.report(given[0]!.node, given[0]!, { status: 'completed' })).toBe('accepted');
    expect(await parked).toHaveLength(1);
  });

  it('takes nothing from a paused queue and of a paused or future job', async () => {
    const master = await start();
    const node = await master.node();
    const paused = await master.submit();
    await master.jobs.pause(PRINCIPAL, paused.id);
    await master.submit({ run_at: new Date(Date.now() + 60_000).toISOString() });
    await master.submit({ queue: 'batch' });
    await master.queues.setPaused(PRINCIPAL, 'batch', true);

    expect(await master.claim(node, { max_jobs: 4 })).toEqual([]);

    const parked = master.claim(node, { wait_seconds: 20 });
    await master.jobs.resume(PRINCIPAL, paused.id);
    expect((await parked).map((attempt) => attempt.id)).toEqual([paused.id]);
  });

  it('takes nothing for a node that drains', async () => {
    const master = await start();
    const node = await master.node();
    await master.submit();
    await master.nodes.setDraining(PRINCIPAL, node, true);

    expect(await master.claim(node)).toEqual([]);
    const parked = master.claim(node, { wait_seconds: 20 });
    await master.nodes.setDraining(PRINCIPAL, node, false);
    signals.resync();
    expect(await parked).toHaveLength(1);
  });

  it('of a node that was given up brings it back', async () => {
    const master = await start();
    const node = await master.node();
    await master.submit();
    await db.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'offline'`);
    await master.nodeDirectory.sync();

    expect(await master.claim(node)).toHaveLength(1);
    expect(await master.nodes.get(PRINCIPAL, node)).toMatchObject({ status: 'online' });
  });

  it('answers 404 to a node that is not there', async () => {
    const master = await start();
    await expect(master.claim(randomUUID())).rejects.toMatchObject({ status: 404 });
  });
});

describe('the same claim id', () => {
  it('gets the same attempts again', async () => {
    const master = await start();
    const node = await master.node();
    await Promise.all([master.submit(), master.submit(), master.submit()]);
    const claim_id = randomUUID();

    const first = await master.claim(node, { claim_id, max_jobs: 2 });
    const second = await master.claim(node, { claim_id, max_jobs: 2 });

    expect(first).toHaveLength(2);
    expect(second).toEqual(first);
  });

  it('gets the same attempts when sent to three masters at once (F24)', async () => {
    const three = [await start(), await start(), await start()];
    const node = await three[0]!.node({ slots: 8 });
    await Promise.all(Array.from({ length: 8 }, () => three[0]!.submit()));
    const claim_id = randomUUID();

    const answers = await Promise.all(three.map((master) => master.claim(node, { claim_id, max_jobs: 2 })));

    for (const answer of answers) expect(answer).toEqual(answers[0]);
    const { rows } = await db.pool.query('SELECT count(*)::int AS n FROM ffmpeg_master.leases');
    expect(rows[0].n).toBe(2);
  });

  it('may be used again once its attempts were handed back', async () => {
    const master = await start();
    const node = await master.node();
    const job = await master.submit();
    const claim_id = randomUUID();
    const attempts = await master.claim(node, { claim_id });

    await master.reports.takeBack(node, claim_id, attempts);

    expect((await master.jobs.get(PRINCIPAL, job.id)).status).toBe('queued');
    const again = await master.claim(node, { claim_id });
    expect(again.map((attempt) => attempt.id)).toEqual([job.id]);
    expect(again[0]!.lease_token).toBeGreaterThan(attempts[0]!.lease_token);
  });
});

describe('a parked claim', () => {
  it('is answered by a submit, as many claims as there are jobs', async () => {
    const master = await start();
    const nodes = await Promise.all([master.node(), master.node(), master.node()]);
    const answered: string[] = [];
    const parked = nodes.map(async (node) => {
      const attempts = await master.claim(node, { wait_seconds: 30 });
      answered.push(...attempts.map((attempt) => attempt.id));
    });

    const one = await master.submit();
    await eventually(() => expect(answered).toEqual([one.id]), { within: 2000 });
    const more = await Promise.all([master.submit(), master.submit()]);
    await Promise.all(parked);
    expect([...answered].sort()).toEqual([one.id, ...more.map((job) => job.id)].sort());
  });

  it('is served in the order of arrival', async () => {
    const master = await start();
    const nodes = [await master.node(), await master.node(), await master.node()];
    const served: number[] = [];
    const parked: Promise<void>[] = [];
    for (const [k, node] of nodes.entries()) {
      parked.push(master.claim(node, { wait_seconds: 30 }).then(() => void served.push(k)));
      await eventually(() => expect(master.claims['parked'].size).toBe(k + 1), { within: 2000 });
    }
    for (let k = 1; k <= nodes.length; k += 1) {
      await master.submit();
      await eventually(() => expect(served).toHaveLength(k), { within: 2000 });
    }
    await Promise.all(parked);
    expect(served).toEqual([0, 1, 2]);
  });

  it('hears of a job that was submitted while every signal was lost (F9)', async () => {
    const master = await start();
    const node = await master.node();
    const parked = master.claim(node, { wait_seconds: 30 });
    signals.lost = true;
    const job = await master.submit();
    signals.resync();
    expect((await parked).map((attempt) => attempt.id)).toEqual([job.id]);
  });

  it('is answered empty when its time is over', async () => {
    const master = await start();
    const node = await master.node();
    expect(await master.claim(node, { wait_seconds: 1 })).toEqual([]);
  });

  it('is answered empty at once when the master drains (I12)', async () => {
    const master = await start();
    const node = await master.node();
    const parked = master.claim(node, { wait_seconds: 60 });
    await eventually(() => expect(master.claims['parked'].size).toBe(1), { within: 2000 });
    master.draining.begin();
    expect(await parked).toEqual([]);
    await master.submit();
    expect(await master.claim(node)).toEqual([]);
  });

  it('of a worker that hung up gets no job', async () => {
    const master = await start();
    const [gone, here] = [await master.node(), await master.node()];
    let hangUp = (): void => undefined;
    const asker: Asker = {
      get gone() {
        return hungUp;
      },
      onGone: (listener) => (hangUp = listener),
    };
    let hungUp = false;
    const parked = master.claim(gone, { wait_seconds: 60, asker });
    await eventually(() => expect(master.claims['parked'].size).toBe(1), { within: 2000 });
    hungUp = true;
    hangUp();
    expect(await parked).toEqual([]);

    const job = await master.submit();
    expect((await master.claim(here, { wait_seconds: 5, asker: PATIENT })).map(({ id }) => id)).toEqual([
      job.id,
    ]);
  });

  it('of a worker that hung up while it rode in a statement is answered with that', async () => {
    const watched = new WatchedDatabase(db.database);
    const master = await new DispatchMaster(watched, signals).start();
    masters.push(master);
    const release = watched.hold('LookForAnswers');
    let hungUp = false;
    let hangUp = (): void => undefined;
    const asker: Asker = {
      get gone() {
        return hungUp;
      },
      onGone: (listener) => (hangUp = listener),
    };
    const claimed = master.claim(await master.node(), { wait_seconds: 60, asker });
    await eventually(() => expect([...master.claims['parked']].map(({ riding }) => riding)).toEqual([true]));
    hungUp = true;
    hangUp();
    release();
    expect(await claimed).toEqual([]);
    expect(master.claims['parked'].size).toBe(0);
  });
});

describe('a claim that does not wait', () => {
  it('is refused where as many wait as one master takes, and told to come again', async () => {
    const master = await start();
    const node = await master.node();
    vi.spyOn(master.claims['parked'], 'size', 'get').mockReturnValue(20_000);
    await expect(master.claim(node)).rejects.toThrow(Overloaded);
  });

  it('is answered empty while others stay parked, also where several come at once', async () => {
    const master = await start();
    const [parkedNode, node] = [await master.node({ queues: ['elsewhere'] }), await master.node()];
    const parked = master.claim(parkedNode, { wait_seconds: 60 });
    const answers = await Promise.all([master.claim(node), master.claim(node), master.claim(node)]);
    expect(answers).toEqual([[], [], []]);
    master.draining.begin();
    await parked;
  });

  it('finds what this master was never told of', async () => {
    const master = await start();
    const other = await start();
    const node = await master.node();
    signals.lost = true;
    const job = await other.submit();
    expect((await master.claim(node)).map((attempt) => attempt.id)).toEqual([job.id]);
  });
});

describe('more lanes than one statement carries', () => {
  async function lanes(count: number, master: DispatchMaster): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, (_, k) =>
        master.submit({
          requirements: { labels: { zone: `z${k}` } },
          priority: k % 2 === 0 ? 'high' : 'low',
        }),
      ),
    );
  }

  it('are all tried before a claim that does not wait is answered empty', async () => {
    const master = await start();
    const nodes = await Promise.all(
      Array.from({ length: 60 }, (_, k) => master.node({ slots: 1, labels: { zone: `z${k}` } })),
    );
    await lanes(60, master);
    const answers = await Promise.all(nodes.map((node) => master.claim(node)));
    expect(answers.map((attempts) => attempts.length)).toEqual(nodes.map(() => 1));
  });

  it('are all tried before a claim whose time is over is answered empty, every signal lost', async () => {
    const [master, other] = [await start(), await start()];
    const node = await master.node({ slots: 40, labels: { zone: 'z39' } });
    const parked = master.claim(node, { wait_seconds: 1 });
    await eventually(() => expect(master.claims['parked'].size).toBe(1), { within: 900 });
    signals.lost = true;
    await lanes(40, other);
    expect(await parked).toHaveLength(1);
  });
});

describe('a lane that looked full and is not', () => {
  /** A lane with one job that is gone, which this master was never told. */
  async function stale(master: DispatchMaster): Promise<void> {
    const gone = await master.submit({ priority: 'high' });
    await db.pool.query('DELETE FROM ffmpeg_master.jobs WHERE id = $1', [gone.id]);
  }

  it('costs a node with one slot nothing', async () => {
    const master = await start();
    const node = await master.node({ slots: 1 });
    await stale(master);
    const real = await master.submit({ priority: 'low' });
    expect((await master.claim(node, { max_jobs: 2 })).map((attempt) => attempt.id)).toEqual([real.id]);
  });

  it('does not make its queue look full', async () => {
    const master = await start();
    await limit('default', 1);
    signals.resync();
    const node = await master.node({ slots: 4 });
    await stale(master);
    const real = await master.submit({ priority: 'low' });
    expect((await master.claim(node, { max_jobs: 4 })).map((attempt) => attempt.id)).toEqual([real.id]);
  });
});

describe('a node that looked full and is not', () => {
  it('gets the job of another queue where the first one is at its limit', async () => {
    const master = await start();
    await limit('default', 1);
    signals.resync();
    const [busy, node] = [await master.node({ slots: 1 }), await master.node({ slots: 1 })];
    await master.submit();
    expect(await master.claim(busy)).toHaveLength(1);
    for (let k = 0; k < 4; k += 1) await master.submit({ priority: 'high' });
    const other = await master.submit({ queue: 'batch' });
    const claimed = await master.claim(node, { max_jobs: 4 });
    expect(claimed.map(({ id }) => id)).toEqual([other.id]);
  });

  it('has room for a second claim where the first one found less than it asked for', async () => {
    const master = await start();
    const node = await master.node({ slots: 4 });
    const high = await Promise.all([1, 2, 3, 4].map(() => master.submit({ priority: 'high' })));
    const gone = high.slice(1).map(({ id }) => id);
    await db.pool.query('DELETE FROM ffmpeg_master.jobs WHERE id = ANY ($1::uuid[])', [gone]);
    for (let k = 0; k < 3; k += 1) await master.submit({ priority: 'low' });
    const answers = await Promise.all([
      master.claim(node, { max_jobs: 4 }),
      master.claim(node, { max_jobs: 4 }),
    ]);
    expect(answers.map((attempts) => attempts.length)).toEqual([1, 3]);
  });
});

describe('a claim that comes again while its first is parked', () => {
  it('takes the place of the first, and is given jobs once', async () => {
    const master = await start();
    const node = await master.node({ slots: 4 });
    const claim_id = randomUUID();
    const first = master.claim(node, { claim_id, max_jobs: 2, wait_seconds: 60 });
    await eventually(() => {
      expect(master.claims['parked'].size).toBe(1);
      expect(master.claims['parked'].fresh.size).toBe(0);
    });
    const again = master.claim(node, { claim_id, max_jobs: 2, wait_seconds: 60 });
    expect(await first).toEqual([]);
    await Promise.all([1, 2, 3, 4].map(() => master.submit()));
    expect((await again).length).toBeGreaterThan(0);
    const { rows } = await db.pool.query('SELECT count(*)::int AS n FROM ffmpeg_master.leases');
    expect(rows[0].n).toBe((await again).length);
  });
});

describe('two claims of one node at once', () => {
  it('are each answered once, also when both are repeated elsewhere', async () => {
    const [master, other] = [await start(), await start()];
    const node = await master.node({ slots: 8 });
    await Promise.all(Array.from({ length: 8 }, () => master.submit()));
    const ids = [randomUUID(), randomUUID()];
    const both = (one: DispatchMaster) => ids.map((claim_id) => one.claim(node, { claim_id, max_jobs: 2 }));
    const [a, b, c, d] = await Promise.all([...both(master), ...both(other)]);
    expect(c).toEqual(a);
    expect(d).toEqual(b);
    const { rows } = await db.pool.query('SELECT count(*)::int AS n FROM ffmpeg_master.leases');
    expect(rows[0].n).toBe(4);
  });
});
