/** Every statement of every duty, recorded as it is sent, is held against the fence by EXPLAIN. */
import { beforeEach, describe, expect, it } from 'vitest';
import { useDutyStage } from '../../test/support/duty-stage.js';
import { Settings } from '../config/settings.js';
import { QueueRates } from '../jobs/queue-rates.js';
import { Database, type Queryable } from '../database/database.js';
import type { Statement } from '../database/statement.js';
import type { Duty } from './duty.js';
import { FencedStatements } from './fenced-statements.repository.js';
import { PartitionsAndPrune } from './partitions-and-prune.duty.js';
import { PartitionsAndPruneRepository } from './partitions-and-prune.repository.js';
import { PromoteDueJobs } from './promote-due-jobs.duty.js';
import { PromoteDueJobsRepository } from './promote-due-jobs.repository.js';
import { QueueSettings } from './queue-settings.duty.js';
import { QueueSettingsRepository } from './queue-settings.repository.js';
import { RequeueExpiredLeases } from './requeue-expired-leases.duty.js';
import { RequeueExpiredLeasesRepository } from './requeue-expired-leases.repository.js';
import { RetireSilentNodes } from './retire-silent-nodes.duty.js';
import { RetireSilentNodesRepository } from './retire-silent-nodes.repository.js';
import { TimeOutJobs } from './time-out-jobs.duty.js';
import { TimeOutJobsRepository } from './time-out-jobs.repository.js';

const stage = useDutyStage();

interface Sent {
  readonly statement: Statement;
  readonly values: readonly unknown[];
}

class RecordingDatabase extends Database {
  readonly sent: Sent[] = [];

  query<Row>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    this.sent.push({ statement, values });
    return stage.pool.query<Row>(statement, values);
  }

  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return stage.pool.transaction((inner) =>
      work({
        query: (statement, values = []) => {
          this.sent.push({ statement, values });
          return inner.query(statement, values);
        },
      }),
    );
  }

  whenConnected(withinMs: number): Promise<void> {
    return stage.pool.whenConnected(withinMs);
  }
}

let recorder: RecordingDatabase;
let duties: Record<string, Duty>;
beforeEach(() => {
  recorder = new RecordingDatabase();
  const statements = new FencedStatements(recorder);
  const settings = new Settings();
  const { signals } = stage;
  duties = Object.fromEntries(
    [
      new RequeueExpiredLeases(
        new RequeueExpiredLeasesRepository(statements),
        settings,
        signals,
        new QueueRates(),
      ),
      new TimeOutJobs(new TimeOutJobsRepository(statements), settings, signals, new QueueRates()),
      new RetireSilentNodes(new RetireSilentNodesRepository(statements), settings, signals),
      new PromoteDueJobs(new PromoteDueJobsRepository(statements), signals),
      new PartitionsAndPrune(new PartitionsAndPruneRepository(recorder, statements), settings, signals),
      new QueueSettings(new QueueSettingsRepository(statements), settings, signals),
    ].map((duty) => [duty.name, duty]),
  );
});

/** Statements without the fence, and why they need none. */
const UNFENCED: Record<string, string> = {
  BoundDuty: 'sets time-outs of its own transaction',
  MakePartitions: 'only adds, and the function takes a lock of its own',
  FindUnclosedDay: 'reads',
  WriteQueueSettings: 'follows HoldFence in one transaction',
  FindUncountedQueues: 'follows HoldFence in one transaction',
  HoldLeases: 'follows HoldFence in one transaction',
  CountQueues: 'follows HoldFence in one transaction',
};

describe('the fence (I4)', () => {
  it.each([
    'requeue-expired-leases',
    'time-out-jobs',
    'retire-silent-nodes',
    'promote-due-jobs',
    'partitions-and-prune',
    'queue-settings',
  ])('is locked by each statement of the duty %s', async (name) => {
    // A finished day, so that there is one to close.
    await stage.sql('DELETE FROM ffmpeg_master.history_days');
    await stage.sql(
      `SELECT ffmpeg_master.make_partition('job_history', (now() AT TIME ZONE 'UTC')::date - 2)`,
    );
    await duties[name]?.run(stage.term);
    const fenced = recorder.sent.filter(({ statement }) => UNFENCED[statement.name] === undefined);
    expect(fenced.length).toBeGreaterThan(0);
    if (name === 'partitions-and-prune')
      expect(fenced.map(({ statement }) => statement.name)).toEqual(
        expect.arrayContaining(['CloseDay', 'DropOldestPartition']),
      );
    for (const { statement, values } of fenced) {
      const { rows } = await stage.database.pool.query(`EXPLAIN (FORMAT JSON) ${statement.text}`, [
        ...values,
      ]);
      const plan = rows[0]['QUERY PLAN'][0].Plan as Node;
      expect(locksLeadership(plan), `${statement.name} locks the row of leadership`).toBe(true);
      if (statement.name === 'HoldFence') continue;
      expect(usesOfFence(plan), `${statement.name} joins the fence where it writes`).toBeGreaterThan(1);
    }
  });

  it.each([
    'requeue-expired-leases',
    'time-out-jobs',
    'retire-silent-nodes',
    'promote-due-jobs',
    'partitions-and-prune',
    'queue-settings',
  ])('stops the duty %s in a term that is over', async (name) => {
    const past = { ...stage.term, epoch: stage.term.epoch - 1 };
    await expect(duties[name]?.run(past)).rejects.toThrow('is over');
  });
});

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'CTE Name'?: string;
  readonly Plans?: readonly Node[];
}

function* walk(node: Node): Generator<Node> {
  yield node;
  for (const child of node.Plans ?? []) yield* walk(child);
}

function locksLeadership(plan: Node): boolean {
  return [...walk(plan)].some(
    (node) =>
      node['Node Type'] === 'LockRows' &&
      [...walk(node)].some((inner) => inner['Relation Name'] === 'leadership'),
  );
}

/** Scans of the CTE: one is the final SELECT's, so a statement that writes has more. */
function usesOfFence(plan: Node): number {
  return [...walk(plan)].filter((node) => node['CTE Name'] === 'fence').length;
}
