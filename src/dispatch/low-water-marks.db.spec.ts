/**
 * A master claims above its low-water mark and so passes over a job that turns up below it. Such a job is
 * claimed within ten seconds all the same: with every signal lost, no look at the lane heads, and a lane
 * that never runs empty, which is when nothing but the age of the mark tells the master to look there.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { WatchedDatabase } from '../../test/support/watched-database.js';
import type { Database } from '../database/database.js';
import type { AttemptRow } from './claim.repository.js';

/** What I1 (docs/test-plan.md) comes to for a job that a mark has passed, in milliseconds. */
const BOUND = 10_000;

const db = useDatabase();
const masters: DispatchMaster[] = [];
let other: DispatchMaster;

beforeAll(async () => {
  other = await startMaster(db.database);
});

afterAll(() => {
  for (const master of masters) master.stop();
});

// Each has a queue and a master of its own, and mostly waits: at once they take six seconds, one by one eighteen.
describe.concurrent('below the mark, a job', () => {
  it('that was committed late is claimed within ten seconds', async ({ expect }) => {
    const lane = await Lane.open('late');
    const watched = new WatchedDatabase(db.database);
    const late = watched.commitLate('CreateJob');
    const submitting = (await startMaster(watched)).submit({ queue: 'late' });
    await late.reached;
    await lane.fill();
    await lane.claim();
    late.commit();
    const { id } = await submitting;
    expect(await lane.claimUntil(id)).toBeGreaterThan(0);
  });

  it('whose lock was rolled back is claimed within ten seconds', async ({ expect }) => {
    const lane = await Lane.open('locked');
    const { id } = await other.submit({ queue: 'locked' });
    const locker = await db.pool.connect();
    try {
      await locker.query('BEGIN');
      await locker.query('SELECT FROM ffmpeg_master.jobs WHERE id = $1 FOR UPDATE', [id]);
      await lane.fill();
      await lane.claim();
    } finally {
      await locker.query('ROLLBACK');
      locker.release();
    }
    expect(await lane.claimUntil(id)).toBeGreaterThan(0);
  });

  it('that was released on another master is claimed within ten seconds', async ({ expect }) => {
    const lane = await Lane.open('released');
    const { id } = await other.submit({ queue: 'released' });
    await lane.master.lanes.readHeads();
    const attempt = await lane.claim();
    expect(attempt.id).toBe(id);
    await lane.fill();
    await lane.claim();
    expect(await other.report(lane.node, attempt, { status: 'released' })).toBe('accepted');
    expect(await lane.claimUntil(id)).toBeGreaterThan(0);
  });
});

/** A queue, the only node that serves it, and the only master that the node claims from. */
class Lane {
  private constructor(
    readonly queue: string,
    readonly master: DispatchMaster,
    readonly node: string,
  ) {}

  static async open(queue: string): Promise<Lane> {
    const master = await startMaster(db.database);
    return new Lane(queue, master, await master.node({ slots: 1000, queues: [queue] }));
  }

  /** More jobs than the test claims, all of one later position; the master knows of them. */
  async fill(): Promise<void> {
    const jobs = Array.from({ length: 400 }, () => ({ scenario: 'test', queue: this.queue }));
    await other.submits.submit(PRINCIPAL, jobs, { route: 'POST /jobs/batch' });
    await this.master.lanes.readHeads();
  }

  async claim(): Promise<AttemptRow> {
    const [attempt] = await this.master.claim(this.node);
    if (!attempt) throw new Error('the lane ran empty: the test proves nothing');
    return attempt;
  }

  /** Claims job after job until it gets this one; answers how many it was given before, which stood above the mark. */
  async claimUntil(id: string): Promise<number> {
    let before = 0;
    await eventually(
      async () => {
        const attempt = await this.claim();
        if (attempt.id !== id) before += 1;
        expect(attempt.id).toBe(id);
      },
      { within: BOUND, every: 100 },
    );
    return before;
  }
}

async function startMaster(database: Database): Promise<DispatchMaster> {
  const signals = new LocalSignals();
  signals.lost = true;
  const master = await new DispatchMaster(database, signals).start();
  masters.push(master);
  return master;
}
