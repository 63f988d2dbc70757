/**
 * One claim id at two masters (F24): the connection to the first is half-open, the worker asks again at the second, and
 * the first one is given the jobs. The second tells of them soon, and the first does not take them back.
 */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { WatchedDatabase } from '../../test/support/watched-database.js';
import { ExplainingDatabase, PlanSession } from '../../test/support/explaining-database.js';
import { ArrivalsRepository } from './arrivals.repository.js';
import type { AttemptRow } from './claim.repository.js';

const db = useDatabase();
let signals: LocalSignals;
let watched: WatchedDatabase;
let first: DispatchMaster;
let second: DispatchMaster;
let node: string;
let claim_id: string;

beforeEach(async () => {
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
  );
  signals = new LocalSignals();
  watched = new WatchedDatabase(db.database);
  first = await new DispatchMaster(db.database, signals).start();
  second = await new DispatchMaster(watched, signals).start();
  node = await first.node({ slots: 8 });
  claim_id = randomUUID();
});

afterEach(() => {
  first.stop();
  second.stop();
});

async function park(master: DispatchMaster, wait_seconds = 60): Promise<{ answer: Promise<AttemptRow[]> }> {
  const answer = master.claim(node, { claim_id, wait_seconds });
  await eventually(() => {
    expect(master.claims['parked'].size).toBe(1);
    expect(master.claims['parked'].fresh.size).toBe(0);
  });
  return { answer };
}

/** Both hold the claim, and the first one is given a job. */
async function givenByFirst(
  wait_seconds?: number,
): Promise<{ given: AttemptRow[]; again: Promise<AttemptRow[]> }> {
  const lost = await park(first);
  const { answer: again } = await park(second, wait_seconds);
  await first.submit();
  const given = await lost.answer;
  expect(given).toHaveLength(1);
  expect(second.claims['parked'].size).toBe(1);
  return { given, again };
}

async function stateOf({ id }: AttemptRow): Promise<unknown> {
  return (await first.jobs.get(PRINCIPAL, id)).status;
}

describe('a claim that is parked at two masters (F24)', () => {
  it('is answered by the second at its next poll with what the first was given', async () => {
    const { given, again } = await givenByFirst();
    signals.resync();
    expect(await again).toEqual(given);
    expect(watched.count('AnsweredLately')).toBe(1);
  });

  it('is so within five polls while all signals are lost', async () => {
    signals.lost = true;
    for (let poll = 0; poll < 5; poll += 1) signals.resync();
    const { given, again } = await givenByFirst();
    for (let poll = 0; poll < 5; poll += 1) signals.resync();
    expect(await again).toEqual(given);
  });

  it('is so where its time is over before the next poll', async () => {
    const { given, again } = await givenByFirst(1);
    expect(await again).toEqual(given);
  });

  it('is given no other job', async () => {
    const { given, again } = await givenByFirst();
    const other = await second.submit();
    expect(await again).toEqual(given);
    expect((await second.jobs.get(PRINCIPAL, other.id)).status).toBe('queued');
  });

  it('has its whole lease from then on, and the time in which it must have started', async () => {
    const { given, again } = await givenByFirst();
    await db.pool.query(`UPDATE ffmpeg_master.leases SET expires_at = expires_at - interval '20 s'`);
    const late = async () =>
      (
        await db.pool.query(
          `SELECT expires_at < now() + interval '25 s' AS late FROM ffmpeg_master.leases WHERE lease_token = $1`,
          [given[0]!.lease_token],
        )
      ).rows[0].late;
    expect(await late()).toBe(true);
    signals.resync();
    await again;
    expect(await late()).toBe(false);
  });

  it('costs an idle master one statement in five polls, and none where nothing is parked', async () => {
    for (let poll = 0; poll < 20; poll += 1) signals.resync();
    expect(watched.count('AnsweredLately')).toBe(0);
    const { answer } = await park(second);
    for (let poll = 0; poll < 20; poll += 1) {
      signals.resync();
      await second.lanes.readHeads();
    }
    expect(watched.count('AnsweredLately')).toBeLessThanOrEqual(5);
    second.draining.begin();
    expect(await answer).toEqual([]);
  });
});

it('the look for it goes by the key of the leases, also by a plan from the time when there were none', async () => {
  const session = await PlanSession.open(db.dsn, 'generic');
  const look = new ExplainingDatabase(db.database, session);
  const repository = new ArrivalsRepository(look);
  await repository.answeredAfter(0);
  await db.pool.query(
    `INSERT INTO ffmpeg_master.leases (job_id, node_id, claim_id, queue, assigned_at, expires_at)
     SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'default', now(), now() FROM generate_series(1, 3000)`,
  );
  const { rows } = await db.pool.query('SELECT max(lease_token) - 10 AS mark FROM ffmpeg_master.leases');
  expect(await repository.answeredAfter(Number(rows[0].mark))).toHaveLength(10);
  const reads = look.named('AnsweredLately').at(-1)?.reads;
  expect(reads).toMatchObject([{ table: 'leases', index: 'leases_pkey', rows: 10 }]);
  await session.close();
});

describe('attempts that are taken back', () => {
  it('stay where the same claim was answered by another master meanwhile', async () => {
    const { given, again } = await givenByFirst();
    signals.resync();
    await again;

    await first.reports.takeBack(node, claim_id, given);

    expect(await stateOf(given[0]!)).toBe('assigned');
    expect(await second.report(node, given[0]!, { status: 'completed' })).toBe('accepted');
    // And the id still stands for them.
    expect(await first.claim(node, { claim_id })).toEqual([]);
  });

  it('stay where the worker has begun them, whatever became of the answer', async () => {
    const { given, again } = await givenByFirst();
    signals.resync();
    await again;
    const [attempt] = given as [AttemptRow];
    await second.heartbeats.beat(node, {
      attempts: [{ job_id: attempt.id, lease_token: attempt.lease_token, started: true }],
    });
    await second.jobs.pause(PRINCIPAL, attempt.id);

    await first.reports.takeBack(node, claim_id, given);

    expect(await stateOf(attempt)).toBe('running');
  });

  it('wait again where nobody else was told of them, and may be had by the same claim', async () => {
    const { given, again } = await givenByFirst();
    await first.reports.takeBack(node, claim_id, given);
    const job = await first.jobs.find(PRINCIPAL, given[0]!.id);
    const events = await first.events.list(job, 0, 10);
    expect(events.map(({ type }) => type)).toContain('released');
    signals.resync();
    const [anew] = await again;
    // Taken back and found at once, the second may have met the id before it was forgotten: then it asks again.
    const attempt = anew ?? (await second.claimOne(node));
    expect(attempt.id).toBe(given[0]!.id);
    expect(attempt.lease_token).toBeGreaterThan(given[0]!.lease_token);
  });

  it('are had by one of the two, where the second asks while they are taken back', async () => {
    const { given, again } = await givenByFirst();
    const held = await db.pool.connect();
    await held.query('BEGIN');
    await held.query('SELECT 1 FROM ffmpeg_master.leases WHERE lease_token = $1 FOR UPDATE', [
      given[0]!.lease_token,
    ]);
    signals.resync();
    const waiters = (n: number) => () =>
      eventually(async () => {
        const { rows } = await db.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        expect(rows).toHaveLength(n);
      });
    await waiters(1)();
    const takenBack = first.reports.takeBack(node, claim_id, given);
    await waiters(2)();
    await held.query('COMMIT');
    held.release();
    await takenBack;
    expect(await again).toEqual(given);
    expect(await stateOf(given[0]!)).toBe('assigned');
  });
});
