/**
 * Groups of two masters that name the same rows in opposite orders. Each statement locks its rows in one order of its
 * own, so that one group waits for the other (I13); in the order in which they came, each would hold what the other
 * waits for. So it is with statements that lock rows of several tables. A third session holds rows in the middle until
 * both stand, so that it comes to that each time.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { SubmitRepository } from '../jobs/submit.repository.js';
import { ClaimRepository, type AttemptRow, type ClaimPart } from './claim.repository.js';
import { HeartbeatRepository, type BeatingAttempt } from './heartbeat.repository.js';
import { ReportRepository, type ReportItem } from './report.repository.js';

type Four<Item> = readonly [Item, Item, Item, Item];

const db = useDatabase();
let master: DispatchMaster;
let reports: ReportRepository;
let claims: ClaimRepository;
let node_id: string;

beforeAll(async () => {
  master = await new DispatchMaster(db.database, new LocalSignals()).start();
  node_id = await master.node({ slots: 100 });
  reports = new ReportRepository(db.database);
  claims = new ClaimRepository(db.database);
});

afterAll(() => master.stop());

describe('two groups that name the same rows in opposite orders wait for each other (I13)', () => {
  it('as heartbeats', async () => {
    const four = await attempts();
    const beats = new HeartbeatRepository(db.database);
    const [extended, again] = await meet({
      hold: 'SELECT FROM ffmpeg_master.leases WHERE lease_token = ANY ($1) FOR UPDATE',
      names: four.map(({ lease_token }) => lease_token),
      group: (order) => beats.extend([], inOrder(four.map(beating), order), 30_000),
    });
    expect(extended.attempts).toHaveLength(3);
    expect(again.attempts).toHaveLength(3);
  });

  it('as attempts that begin', async () => {
    const four = await attempts();
    const beats = new HeartbeatRepository(db.database);
    const begun = await meet({
      hold: 'SELECT FROM ffmpeg_master.jobs WHERE id = ANY ($1) FOR UPDATE',
      names: four.map(({ id }) => id),
      group: (order) => beats.start(inOrder(four.map(beating), order)),
    });
    expect(begun).toEqual([3, 1]);
  });

  it('as reports', async () => {
    const four = await attempts();
    const outcomes = await meet({
      hold: 'SELECT FROM ffmpeg_master.jobs WHERE id = ANY ($1) FOR UPDATE',
      names: four.map(({ id }) => id),
      group: (order) =>
        reports.report(
          inOrder(
            four.map((one) => reported(one)),
            order,
          ),
          [1],
        ),
    });
    expect(outcomes.map((rows) => rows.filter(({ accepted }) => accepted).length)).toEqual([3, 1]);
  });

  it('as submits with an Idempotency-Key', async () => {
    const keys = ['k1', 'k2', 'k3', 'k4'] as const;
    const submits = new SubmitRepository(db.database);
    const requests = keys.map((key) => ({
      jobs: [],
      idempotency: { tenant_id: 'default', route: 'POST /jobs', key, body_hash: '00' },
    }));
    await meet({
      hold: `INSERT INTO ffmpeg_master.idempotency_keys (tenant_id, route, key, body_hash, job_ids)
             SELECT 'default', 'POST /jobs', k, '', '{}' FROM unnest($1::text[]) k`,
      names: keys,
      end: 'ROLLBACK',
      group: (order) => submits.create(inOrder(requests, order)),
    });
    const { rows } = await db.pool.query('SELECT key FROM ffmpeg_master.idempotency_keys ORDER BY key');
    expect(rows.map(({ key }) => key)).toEqual(keys);
  });

  it('as a report and a claim that count at nodes', async () => {
    const nodes = (await Promise.all([1, 2, 3, 4].map(() => master.node()))).sort();
    const ended: ReportItem[] = [];
    for (const node of nodes) {
      await master.submit();
      ended.push(reported(await master.claimOne(node), node));
    }
    const [outcomes, parts] = await meet({
      hold: 'SELECT FROM ffmpeg_master.node_counters WHERE node_id = ANY ($1) FOR UPDATE',
      names: nodes,
      group: (order) => reports.report(inOrder(ended, order), [1]),
      other: (order) =>
        claims.claim(
          [],
          inOrder(nodes, order).map((node) => asking(node)),
          30_000,
        ),
    });
    expect(outcomes.map(({ accepted }) => accepted)).toEqual([true, true, true]);
    expect(parts.map(({ able }) => able)).toEqual([true, true, true]);
  });

  it('as a report and a claim that count in queues', async () => {
    const four = await limited(['q1', 'q2', 'q3', 'q4']);
    const other = await master.node();
    const lanes = four.map(({ lane_id }) => lane_id);
    const [outcomes, parts] = await meet({
      hold: 'SELECT FROM ffmpeg_master.queue_counters WHERE queue = ANY ($1) FOR UPDATE',
      names: four.map(({ queue }) => queue),
      group: (order) =>
        reports.report(
          inOrder(
            four.map((one) => reported(one)),
            order,
          ),
          [1],
        ),
      other: (order) =>
        claims.claim(
          [],
          inOrder(lanes, order).map((lane) => asking(other, lane)),
          30_000,
        ),
    });
    expect(outcomes.map(({ accepted }) => accepted)).toEqual([true, true, true]);
    expect(parts.map(({ refused }) => refused)).toEqual([false, false, false]);
  });
});

describe('two statements that name rows of several tables lock the tables in one order (I13)', () => {
  it('jobs before leases, as an attempt that begins and its report', async () => {
    const [attempt] = await attempts();
    const [begun, outcomes] = await behind(
      { hold: 'SELECT FROM ffmpeg_master.jobs WHERE id = $1 FOR UPDATE', values: [attempt.id] },
      () => new HeartbeatRepository(db.database).start([beating(attempt)]),
      () => reports.report([reported(attempt)], [1]),
    );
    expect(begun).toBe(1);
    expect(outcomes.map(({ accepted }) => accepted)).toEqual([true]);
  });

  it('queues before nodes, as a report and a claim', async () => {
    const [attempt] = await limited(['q5']);
    if (!attempt) throw new Error('no job was claimed');
    const [outcomes, parts] = await behind(
      {
        hold: 'SELECT FROM ffmpeg_master.queue_counters WHERE queue = $1 FOR UPDATE',
        values: [attempt.queue],
      },
      () => reports.report([reported(attempt)], [1]),
      () => claims.claim([], [asking(node_id, attempt.lane_id)], 30_000),
    );
    expect(outcomes.map(({ accepted }) => accepted)).toEqual([true]);
    expect(parts.map(({ able, refused }) => [able, refused])).toEqual([[true, false]]);
  });
});

interface Held {
  /** Takes the rows of `values`. */
  readonly hold: string;
  readonly values: readonly unknown[];
  readonly end?: 'COMMIT' | 'ROLLBACK';
}

interface Meeting<Answer, Other> extends Omit<Held, 'values'> {
  /** Of four rows, in the order in which they are to be locked; `hold` takes an array of them as `$1`. */
  readonly names: readonly unknown[];
  /** Sends a group of the rows in these places. */
  readonly group: (order: readonly number[]) => Promise<Answer>;
  /** The second group, where it is another statement. */
  readonly other?: (order: readonly number[]) => Promise<Other>;
}

/** The first group has row 0 and waits for 1, the second row 3 (or waits for the first) and waits for 2. */
function meet<Answer>(meeting: Meeting<Answer, Answer>): Promise<[Answer, Answer]>;
function meet<Answer, Other>(meeting: Meeting<Answer, Other> & { other: object }): Promise<[Answer, Other]>;
function meet({ names, group, other = group, ...held }: Meeting<unknown, unknown>): Promise<unknown> {
  return behind(
    { ...held, values: [names.slice(1, 3)] },
    () => group([0, 1, 3]),
    () => other([3, 2, 0]),
  );
}

/** Sends both while the rows are held: the second when the first waits; and lets the rows go when both wait. */
async function behind<First, Second>(
  { hold, values, end = 'COMMIT' }: Held,
  first: () => Promise<First>,
  second: () => Promise<Second>,
): Promise<[First, Second]> {
  const holding = await db.pool.connect();
  try {
    await holding.query('BEGIN');
    await holding.query(hold, [...values]);
    const one = first();
    await waiting(1);
    const both = Promise.all([one, second()]);
    // Looked at below; until then a failure is nobody's.
    both.catch(() => undefined);
    await waiting(2);
    await holding.query(end);
    return await both;
  } finally {
    await holding.query('ROLLBACK');
    holding.release();
  }
}

async function waiting(sessions: number): Promise<void> {
  await eventually(async () => {
    const { rows } = await db.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(rows).toHaveLength(sessions);
  });
}

/** Four attempts in the order of their jobs' ids and of their tokens. */
async function attempts(): Promise<Four<AttemptRow>> {
  for (let k = 0; k < 4; k += 1) await master.submit();
  const given = await master.claim(node_id, { max_jobs: 4 });
  expect(given.map(({ id }) => id)).toEqual(given.map(({ id }) => id).sort());
  return given as unknown as Four<AttemptRow>;
}

/** An attempt in each of these queues, which are limited; in their order. */
async function limited(queues: readonly string[]): Promise<AttemptRow[]> {
  const given: AttemptRow[] = [];
  for (const queue of queues) {
    await master.submit({ queue });
    given.push(await master.claimOne(node_id));
  }
  await db.pool.query('UPDATE ffmpeg_master.queues SET max_running = 10 WHERE name = ANY ($1)', [queues]);
  await db.pool.query('INSERT INTO ffmpeg_master.queue_counters SELECT q, 1 FROM unnest($1::text[]) q', [
    queues,
  ]);
  expect(given.map(({ queue }) => queue)).toEqual(queues);
  return given;
}

/** A claim that asks of the lane, where none is named only whether it was answered before. */
function asking(node: string, lane_id: number | null = null): ClaimPart {
  return { node_id: node, lane_id, claim_id: randomUUID(), wanted: 1 };
}

function beating({ id, lease_token }: AttemptRow): BeatingAttempt {
  return { node_id, job_id: id, lease_token };
}

function reported({ id, lease_token }: AttemptRow, by = node_id): ReportItem {
  return {
    node_id: by,
    job_id: id,
    lease_token,
    status: 'completed',
    result: null,
    error: null,
    failure_reason: null,
    permanent: false,
    jitter: 1,
    actor: 'test',
  };
}

function inOrder<Item>(items: readonly Item[], order: readonly number[]): Item[] {
  return order.map((place) => items[place] as Item);
}
