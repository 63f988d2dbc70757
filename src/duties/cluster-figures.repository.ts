import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement, type Statement } from '../database/statement.js';
import { COUNTED, WAITS, waitingIn } from '../dispatch/waiting.sql.js';
import { DAY_MS, dayOf } from '../jobs/job-days.js';
import {
  type OldSnapshot,
  readReplicationSlots,
  readSnapshots,
  type ReplicationSlot,
} from './vacuum-horizon.repository.js';

const ReadWaitingJobs = statement(
  'ReadWaitingJobs',
  `SELECT g.queue, g.priority, g.lanes, w.waiting AS jobs,
          (extract(epoch FROM now()) - w.head / 1000000.0)::float8 AS oldest_seconds
   FROM (SELECT l.queue, l.priority, array_agg(l.id) AS lanes FROM ffmpeg_master.lanes l GROUP BY l.queue, l.priority) g
   CROSS JOIN LATERAL (${waitingIn('g.lanes')}
   ) w
   WHERE w.waiting > 0`,
);

// What the planner expects to find, by the table's statistics: no row is read. Under load the leader has the table
// analyzed every few seconds.
const EstimateWaitingJobs = statement(
  'EstimateWaitingJobs',
  `EXPLAIN (FORMAT JSON) SELECT FROM ffmpeg_master.jobs j WHERE j.lane_id = ANY($1::int[]) AND ${WAITS}`,
  { prepared: false },
);

const EstimateJobsDueLater = statement(
  'EstimateJobsDueLater',
  `EXPLAIN (FORMAT JSON) SELECT FROM ffmpeg_master.jobs j WHERE j.due_at IS NOT NULL`,
  { prepared: false },
);

const ReadOtherFigures = statement(
  'ReadClusterFigures',
  `SELECT (SELECT coalesce(array_agg(q.name ORDER BY q.name), '{}') FROM ffmpeg_master.queues q) AS queues,
          l.leases, l.active,
          (SELECT count(*)
           FROM (SELECT FROM ffmpeg_master.jobs j WHERE j.due_at IS NOT NULL ORDER BY j.due_at LIMIT ${COUNTED + 1}) d)::int
            AS due_later,
          n.offline, n.busy, n.available
   FROM (
     SELECT count(*)::int AS leases, count(*) FILTER (WHERE NOT l.revoked)::int AS active
     FROM ffmpeg_master.leases l
   ) l
   CROSS JOIN (
     SELECT count(*) FILTER (WHERE n.status = 'offline')::int AS offline,
            count(*) FILTER (WHERE n.status = 'online' AND coalesce(c.running, 0) > 0)::int AS busy,
            count(*) FILTER (WHERE n.status = 'online' AND coalesce(c.running, 0) = 0)::int AS available
     FROM ffmpeg_master.nodes n LEFT JOIN ffmpeg_master.node_counters c ON c.node_id = n.id
   ) n`,
);

// The days are values and the statement is planned with them, so that only their partitions are locked.
const ReadHeldBackEvent = statement(
  'OldestHeldBackEvent',
  `SELECT extract(epoch FROM clock_timestamp() - e.at)::float8 AS seconds
   FROM ffmpeg_master.job_events e
   WHERE e.day BETWEEN $1::date AND $2::date
     AND e.generation = (SELECT generation FROM ffmpeg_master.leadership)
     AND e.xid >= pg_snapshot_xmin(pg_current_snapshot())
   ORDER BY e.generation, e.xid, e.id LIMIT 1`,
  { prepared: false },
);

export interface WaitingJobs {
  readonly queue: string;
  readonly priority: string;
  readonly jobs: number;
  readonly oldest_seconds: number;
}

export interface ClusterFigureRow {
  readonly queues: readonly string[];
  readonly leases: number;
  readonly active: number;
  readonly due_later: number;
  readonly offline: number;
  readonly busy: number;
  readonly available: number;
}

/** Reads only, so without a fence: holding it while counting would make the next leader wait. */
@Injectable()
export class ClusterFiguresRepository {
  constructor(private readonly database: Database) {}

  /** By queue and priority. Counted to 10,000, beyond that estimated. */
  async waiting(): Promise<WaitingJobs[]> {
    const rows = await this.database.query<WaitingJobs & { lanes: number[] }>(ReadWaitingJobs);
    return Promise.all(
      rows.map(async ({ lanes, ...row }) => {
        return { ...row, jobs: await this.orEstimated(row.jobs, EstimateWaitingJobs, [lanes]) };
      }),
    );
  }

  async others(): Promise<ClusterFigureRow> {
    const [row] = await this.database.query<ClusterFigureRow>(ReadOtherFigures);
    if (row === undefined) throw new Error('ReadClusterFigures answered no row');
    return { ...row, due_later: await this.orEstimated(row.due_later, EstimateJobsDueLater) };
  }

  snapshots(): Promise<OldSnapshot[]> {
    return readSnapshots(this.database);
  }

  slots(): Promise<ReplicationSlot[]> {
    return readReplicationSlots(this.database);
  }

  /** For how many seconds the oldest committed event has been kept back by a transaction still running; 0 for none. */
  async heldBackSeconds(): Promise<number> {
    // A day to each side: this machine's clock is not the database's.
    const days = [dayOf(Date.now() - DAY_MS), dayOf(Date.now() + DAY_MS)];
    const [row] = await this.database.query<{ seconds: number }>(ReadHeldBackEvent, days);
    return row?.seconds ?? 0;
  }

  /** What was counted, where all was; else at least that, and more where the statistics say so. */
  private async orEstimated(counted: number, estimate: Statement, values: unknown[] = []): Promise<number> {
    if (counted <= COUNTED) return counted;
    const [row] = await this.database.query<Explained>(estimate, values);
    return Math.max(counted, row?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0);
  }
}

interface Explained {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'Plan Rows': number } }];
}
