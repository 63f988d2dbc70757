/** What statistics of queues cost and say, for people and for the leader's figures: flat, however much waits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { ExplainingDatabase, PlanSession } from '../../test/support/explaining-database.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { PRINCIPAL } from '../../test/support/dispatch-master.js';
import { PrimaryReads } from '../database/read-database.js';
import type { Statement } from '../database/statement.js';
import { QueueDirectory } from '../dispatch/queue-directory.js';
import { QueueFiguresRepository } from '../dispatch/queue-figures.repository.js';
import { QueuesRepository } from '../dispatch/queues.repository.js';
import { QueuesService } from '../dispatch/queues.service.js';
import { COUNTED } from '../dispatch/waiting.sql.js';
import { ClusterFiguresRepository } from './cluster-figures.repository.js';

const db = useDatabase();

/** Waiting in the queue `default`, most of them in one of three lanes; `live` always has as many as are counted. */
const [SMALL, LARGE] = [20_000, 60_000];
const LANES = 4;

/** An EXPLAIN cannot be explained, and reads nothing. */
class Explaining extends ExplainingDatabase {
  override query<Row>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    return statement.name.startsWith('Estimate')
      ? db.database.query(statement, values)
      : super.query(statement, values);
  }
}

async function wait(lane: string, from: number, to: number): Promise<void> {
  await db.pool.query(
    `INSERT INTO ffmpeg_master.jobs (id, scenario, parameters, queue, priority, requirements, engine, max_retries, status,
                                     lane_id, position)
     SELECT gen_random_uuid(), 's', '{}', l.queue, l.priority, '{}', 'auto', 3, 'queued', l.id,
            (extract(epoch FROM now() - interval '1 hour') * 1000000)::bigint + k
     FROM generate_series($2::int, $3::int) k, ffmpeg_master.lanes l WHERE l.requirement_hash = $1`,
    [lane, from, to],
  );
}

interface Figures {
  readonly reads: number;
  readonly strayed: readonly string[];
  readonly depth: readonly (readonly [queue: string, depth: number, more: boolean])[];
  readonly estimated: readonly (readonly [lane: string, jobs: number])[];
}

async function read(session: PlanSession): Promise<Figures> {
  const explaining = new Explaining(db.database, session);
  const queues = new QueuesRepository(db.database);
  const service = new QueuesService(
    queues,
    new QueueFiguresRepository(new PrimaryReads(explaining), explaining),
    new QueueDirectory(queues, new LocalSignals()),
    new LocalSignals(),
  );
  const views = await service.list(PRINCIPAL);
  for (const { name, oldest_seconds } of views)
    if (name !== 'batch') expect(oldest_seconds).toBeGreaterThan(3_500);
  const waiting = await new ClusterFiguresRepository(explaining).waiting();
  const jobs = explaining.explained.flatMap(({ reads }) => reads).filter(({ table }) => table === 'jobs');
  return {
    reads: jobs.reduce((sum, { rows }) => sum + rows, 0),
    strayed: jobs.filter(({ index, rows }) => rows > 0 && index !== 'idx_jobs_queue_priority').map(String),
    depth: views.map(({ name, depth, depth_is_at_least }) => [name, depth, depth_is_at_least] as const),
    estimated: waiting.map((row) => [`${row.queue} ${row.priority}`, row.jobs] as const).sort(),
  };
}

const figures = new Map<string, Figures>();
const sessions: PlanSession[] = [];

beforeAll(async () => {
  await db.pool.query('ALTER TABLE ffmpeg_master.jobs SET (autovacuum_enabled = false)');
  await db.pool.query(
    `INSERT INTO ffmpeg_master.lanes (tenant_id, queue, priority, requirement, requirement_hash) VALUES
       ('default', 'default', 'medium', '{}', 'most'), ('default', 'default', 'medium', '{"threads": 2}', 'some'),
       ('default', 'default', 'low', '{}', 'low'), ('default', 'live', 'high', '{}', 'live'),
       ('other', 'default', 'medium', '{}', 'other')`,
  );
  for (const mode of ['custom', 'generic'] as const) sessions.push(await PlanSession.open(db.dsn, mode));
  // The generic plan is made now, while the table is empty.
  await read(sessions[1]!).catch(() => undefined);
  await wait('live', 1, COUNTED);
  await wait('some', 1, 3);
  await wait('low', 1, COUNTED + 1);
  await wait('most', 1, SMALL);
  figures.set('small', await read(sessions[0]!));
  await wait('most', SMALL + 1, LARGE);
  figures.set('large', await read(sessions[0]!));
  figures.set('large, by an old plan', await read(sessions[1]!));
  await db.pool.query('ANALYZE ffmpeg_master.jobs');
  figures.set('large, analyzed', await read(sessions[0]!));
}, 120_000);

afterAll(() => Promise.all(sessions.map((session) => session.close())));

describe.each(['small', 'large', 'large, by an old plan', 'large, analyzed'])(
  'figures of queues (%s)',
  (size) => {
    it('are counted to 10,000 a queue, and say where more wait', () => {
      expect(figures.get(size)?.depth).toEqual([
        ['batch', 0, false],
        ['default', COUNTED, true],
        ['live', COUNTED, false],
      ]);
    });

    it('read no more than is counted, and a head a lane, by the index of the claim', () => {
      const { reads = Infinity, strayed } = figures.get(size) ?? {};
      expect(strayed).toEqual([]);
      // For a person two queues are counted, for the leader two priorities of one and one of the other.
      expect(reads).toBeLessThanOrEqual(5 * (COUNTED + 1) + 2 * (LANES + 1));
    });
  },
);

describe('the leader’s figures of queues', () => {
  it('are exact up to 10,000, and beyond that never less than was counted', () => {
    const { estimated } = figures.get('large')!;
    expect(estimated.find(([lane]) => lane === 'live high')).toEqual(['live high', COUNTED]);
    for (const [lane, jobs] of estimated) if (lane !== 'live high') expect(jobs).toBeGreaterThan(COUNTED);
  });

  it('are near the truth beyond it once the table was analyzed', () => {
    const { estimated } = figures.get('large, analyzed')!;
    const medium = estimated.find(([lane]) => lane === 'default medium')?.[1] ?? 0;
    expect(medium / (LARGE + 3)).toBeGreaterThan(0.95);
    expect(medium / (LARGE + 3)).toBeLessThan(1.05);
  });
});
