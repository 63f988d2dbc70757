import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PATIENT } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import type { Statement } from '../database/statement.js';

const db = useDatabase();
const masters: DispatchMaster[] = [];
let signals: LocalSignals;
/** Names of the statements that ran since the last look. */
let ran: string[];

beforeEach(async () => {
  signals = new LocalSignals();
  ran = [];
  const query = db.database.query.bind(db.database);
  vi.spyOn(db.database, 'query').mockImplementation((statement: Statement, values?: readonly unknown[]) => {
    if (/Job|Claim/.test(statement.name)) ran.push(statement.name);
    return query(statement, values);
  });
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence,
              ffmpeg_master.queue_counters`,
  );
});

afterEach(() => {
  vi.restoreAllMocks();
  for (const master of masters.splice(0)) master.stop();
});

async function start(): Promise<DispatchMaster> {
  const master = new DispatchMaster(db.database, signals);
  masters.push(master);
  return master.start();
}

/** Parks a claim, waits until it has nothing left to ask, and answers how to see what it was given. */
async function parked(master: DispatchMaster, node: string, options: { claim_id?: string } = {}) {
  let given: string[] | undefined;
  void master
    .claim(node, { wait_seconds: 30, ...options })
    .then((attempts) => (given = attempts.map(({ id }) => id)));
  await eventually(() => {
    expect(master.claims['parked'].size).toBeGreaterThan(0);
    expect(master.claims['parked'].fresh.size).toBe(0);
    expect([...master.claims['parked']].some((claim) => claim.riding)).toBe(false);
  });
  ran.length = 0;
  return () => given;
}

describe('a submit where a worker is parked', () => {
  it('begins the attempt in the statement that inserts the job', async () => {
    const master = await start();
    const node = await master.node({ slots: 2 });
    const given = await parked(master, node);
    const job = await master.submit({ parameters: { duration: 3 }, tags: ['a'] });
    await eventually(() => expect(given()).toEqual([job.id]));
    expect(ran).toEqual(['HandOverJob']);
    expect(job).toMatchObject({ status: 'assigned', node_id: node, attempt: 1, waiting_for: null });

    const { rows } = await db.pool.query(
      `SELECT j.status, j.event_count, l.media_seconds, c.running, l.lease_token = j.lease_token AS token
       FROM ffmpeg_master.jobs j JOIN ffmpeg_master.leases l ON l.job_id = j.id
       JOIN ffmpeg_master.node_counters c ON c.node_id = j.node_id`,
    );
    expect(rows).toEqual([{ status: 'assigned', event_count: 2, media_seconds: 3, running: 1, token: true }]);
    // By id, as the stream of all jobs reads them (I10).
    const events = await db.pool.query('SELECT n, type, tags FROM ffmpeg_master.job_events ORDER BY id');
    expect(events.rows).toEqual([
      { n: 1, type: 'submitted', tags: ['a'] },
      { n: 2, type: 'assigned', tags: ['a'] },
    ]);
  });

  it('overtakes nobody: where any job waits, its own waits too', async () => {
    const master = await start();
    const stranger = await start();
    const given = await parked(master, await master.node());
    signals.lost = true;
    const waiting = await stranger.submit({ requirements: { gpu: true } });
    const job = await master.submit();
    expect(ran).toEqual(['CreateJob', 'HandOverJob']);
    expect(job.status).toBe('queued');
    signals.lost = false;
    signals.resync();
    await eventually(() => expect(given()).toEqual([job.id]));
    expect(waiting.status).toBe('queued');
  });

  it('hands nothing over where its queue has a limit', async () => {
    const master = await start();
    const node = await master.node();
    await db.pool.query(`INSERT INTO ffmpeg_master.queue_counters VALUES ('default', 0)`);
    await db.pool.query(`UPDATE ffmpeg_master.queues SET max_running = 1 WHERE name = 'default'`);
    const given = await parked(master, node);
    const job = await master.submit();
    expect(job.status).toBe('queued');
    await eventually(() => expect(given()).toEqual([job.id]));
    const { rows } = await db.pool.query('SELECT running FROM ffmpeg_master.queue_counters');
    expect(rows).toEqual([{ running: 1 }]);
    await db.pool.query('UPDATE ffmpeg_master.queues SET max_running = NULL');
  });

  it('gives a full node nothing: the job goes to another (I7)', async () => {
    const [master, other] = [await start(), await start()];
    const node = await master.node({ slots: 1 });
    const full = await parked(master, node);
    // Taken by the same node through another master, while the claim here is parked.
    signals.lost = true;
    await other.submit();
    await other.claimOne(node);
    ran.length = 0;
    const job = await master.submit();
    expect(ran[0]).toBe('HandOverJob');
    expect(job.status).toBe('queued');
    expect(full()).toBeUndefined();
    expect((await other.claimOne(await other.node())).id).toBe(job.id);
  });

  it('asks nothing of a claim that another master has answered', async () => {
    const [master, other] = [await start(), await start()];
    const node = await master.node({ slots: 4 });
    const claim_id = randomUUID();
    const given = await parked(master, node, { claim_id });
    signals.lost = true;
    const first = await other.submit();
    await other.claim(node, { claim_id });
    const second = await master.submit();
    expect(second.status).toBe('queued');
    signals.lost = false;
    signals.resync();
    await eventually(() => expect(given()).toEqual([first.id]));
  });

  it('answers the claim also where the connection is lost after the commit (F10)', async () => {
    const master = await start();
    const given = await parked(master, await master.node());
    const query = vi.mocked(db.database.query).getMockImplementation();
    let lost = 0;
    vi.mocked(db.database.query).mockImplementation(async (statement, values) => {
      const rows = await query?.(statement, values);
      if (statement.name !== 'HandOverJob' || lost > 0) return rows as never;
      lost += 1;
      throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
    });
    const job = await master.submit();
    expect(lost).toBe(1);
    await eventually(() => expect(given()).toEqual([job.id]));
    const { rows } = await db.pool.query('SELECT count(*)::int AS leases FROM ffmpeg_master.leases');
    expect(rows).toEqual([{ leases: 1 }]);
  });

  it('gives each of many jobs once, through three masters at once (I2)', async () => {
    const three = [await start(), await start(), await start()];
    const nodes = await Promise.all(Array.from({ length: 60 }, (_, k) => three[k % 3]!.node({ slots: 1 })));
    const claims = nodes.map((node, k) => three[k % 3]!.claim(node, { wait_seconds: 30, asker: PATIENT }));
    await eventually(() => {
      for (const { claims: waiting } of three) {
        expect(waiting['parked'].size).toBe(20);
        expect(waiting['parked'].fresh.size).toBe(0);
      }
    });
    const jobs = await Promise.all(Array.from({ length: 60 }, (_, k) => three[k % 3]!.submit()));
    const given = (await Promise.all(claims)).flat().map(({ id }) => id);
    expect(given.sort()).toEqual(jobs.map(({ id }) => id).sort());
    const { rows } = await db.pool.query('SELECT max(running) AS most FROM ffmpeg_master.node_counters');
    expect(rows).toEqual([{ most: 1 }]);
    expect(ran).toContain('HandOverJob');
  });
});
