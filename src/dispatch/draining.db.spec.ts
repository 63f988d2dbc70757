/** Claims at a master on its way out (I12, F24): nothing new is given, and nothing that was given is lost. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster } from '../../test/support/dispatch-master.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { WatchedDatabase } from '../../test/support/watched-database.js';

const db = useDatabase();
let leaving: DispatchMaster;
let other: DispatchMaster;
let watched: WatchedDatabase;
let node: string;

beforeEach(async () => {
  await db.pool.query(
    `TRUNCATE ffmpeg_master.jobs, ffmpeg_master.leases, ffmpeg_master.job_history, ffmpeg_master.job_events,
              ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence`,
  );
  const signals = new LocalSignals();
  watched = new WatchedDatabase(db.database);
  leaving = await new DispatchMaster(watched, signals).start();
  other = await new DispatchMaster(db.database, signals).start();
  node = await other.node({ slots: 8 });
});

afterEach(() => {
  leaving.stop();
  other.stop();
});

describe('a claim that was answered before (I12, F24)', () => {
  it('gets its attempts again from a master that drains, and takes nothing of what waits there', async () => {
    await other.submit();
    const claim_id = randomUUID();
    const given = await other.claim(node, { claim_id, wait_seconds: 30 });
    await other.submit();
    leaving.draining.begin();

    expect(given).toHaveLength(1);
    expect(await leaving.claim(node, { claim_id, wait_seconds: 30 })).toEqual(given);
    expect(await leaving.claim(node, { wait_seconds: 30, max_jobs: 4 })).toEqual([]);
  });

  it('gets them where it had just come when the draining began', async () => {
    await other.submit();
    const claim_id = randomUUID();
    const given = await other.claim(node, { claim_id });
    await other.submit();

    const again = leaving.claim(node, { claim_id, wait_seconds: 30 });
    const unknown = leaving.claim(node, { wait_seconds: 30 });
    leaving.draining.begin();

    expect(await again).toEqual(given);
    expect(await unknown).toEqual([]);
  });

  it('gets them however long they take to read', async () => {
    await other.submit();
    const claim_id = randomUUID();
    const given = await other.claim(node, { claim_id });
    const release = watched.hold('AnswerAgain');
    const again = leaving.claim(node, { claim_id });
    await eventually(() => expect(watched.count('AnswerAgain')).toBe(1));
    // Whoever rode along and found nothing has the lane heads read once more.
    await leaving.lanes.readHeads();
    leaving.draining.begin();
    release();
    expect(await again).toEqual(given);
  });

  it('gets them where a submit lost track of it while the draining began', async () => {
    const parked = leaving.claim(node, { wait_seconds: 30 });
    await eventually(() => {
      expect(leaving.claims['parked'].size).toBe(1);
      expect(leaving.claims['parked'].fresh.size).toBe(0);
    });
    const release = watched.hold('HandOverJob');
    watched.lose('HandOverJob');
    const submitted = leaving.submit();
    await eventually(() => expect(watched.count('HandOverJob')).toBe(1));
    leaving.draining.begin();
    release();

    const job = await submitted;
    expect(watched.lost).toEqual(['HandOverJob']);
    expect((await parked).map(({ id }) => id)).toEqual([job.id]);
  });
});

describe('a claim of which nobody can say whether it was answered before', () => {
  it('is an error at a master that drains, and not empty', async () => {
    leaving.draining.begin();
    watched.lose('LookForAnswers');
    await expect(leaving.claim(node, { wait_seconds: 30 })).rejects.toThrow('Connection terminated');
    expect(watched.lost).toEqual(['LookForAnswers']);
  });
});

it('many claims at a master that drains share a statement', async () => {
  leaving.draining.begin();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => leaving.claim(node, { wait_seconds: 30 })),
  );
  expect(answers.flat()).toEqual([]);
  expect(watched.sent.filter((name) => /Claim|LookFor/.test(name))).toEqual(['LookForAnswers']);
});
