/**
 * Groups of two masters that name the same rows in opposite orders. Each statement locks its rows in one order of its
 * own, so that one group waits for the other (I13); in the order in which they came, each would hold what the other
 * waits for. A third session holds two rows in the middle until both groups stand, so that it comes to that each time.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { SubmitRepository } from '../jobs/submit.repository.js';
import type { AttemptRow } from './claim.repository.js';
import { HeartbeatRepository, type BeatingAttempt } from './heartbeat.repository.js';
import { ReportRepository, type ReportItem } from './report.repository.js';

type Four<Item> = readonly [Item, Item, Item, Item];

const db = useDatabase();
let master: DispatchMaster;
let node_id: string;

beforeAll(async () => {
  master = await new DispatchMaster(db.database, new LocalSignals()).start();
  node_id = await master.node({ slots: 100 });
});

afterAll(() => master.stop());

describe('two groups that name the same rows in opposite orders wait for each other (I13)', () => {
  it('as heartbeats', async () => {
    const four = await attempts();
    const beats = new HeartbeatRepository(db.database);
    const [extended, again] = await meet({
      hold: 'SELECT FROM ffmpeg_master.leases WHERE lease_token = ANY ($1) FOR UPDATE',
      names: four.map(({ lease_token }) => lease_token),
      end: 'COMMIT',
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
      end: 'COMMIT',
      group: (order) => beats.start(inOrder(four.map(beating), order)),
    });
    expect(begun).toEqual([3, 1]);
  });

  it('as reports', async () => {
    const four = await attempts();
    const reports = new ReportRepository(db.database);
    const outcomes = await meet({
      hold: 'SELECT FROM ffmpeg_master.jobs WHERE id = ANY ($1) FOR UPDATE',
      names: four.map(({ id }) => id),
      end: 'COMMIT',
      group: (order) => reports.report(inOrder(four.map(reported), order), [1]),
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
});

interface Meeting<Answer> {
  /** Takes the rows of the names `$1`. */
  readonly hold: string;
  /** Of four rows, in the order in which they are to be locked. */
  readonly names: readonly unknown[];
  readonly end: 'COMMIT' | 'ROLLBACK';
  /** Sends a group of the rows in these places. */
  readonly group: (order: readonly number[]) => Promise<Answer>;
}

/** The first group has row 0 and waits for 1, the second row 3 (or waits for the first) and waits for 2. */
async function meet<Answer>({ hold, names, end, group }: Meeting<Answer>): Promise<[Answer, Answer]> {
  const holding = await db.pool.connect();
  try {
    await holding.query('BEGIN');
    await holding.query(hold, [names.slice(1, 3)]);
    const first = group([0, 1, 3]);
    await waiting(1);
    const second = group([3, 2, 0]);
    const both = Promise.all([first, second]);
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

function beating({ id, lease_token }: AttemptRow): BeatingAttempt {
  return { node_id, job_id: id, lease_token };
}

function reported({ id, lease_token }: AttemptRow): ReportItem {
  return {
    node_id,
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
