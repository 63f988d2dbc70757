import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import { DAY_MS, dayOf } from '../jobs/job-days.js';

/** Jobs that are counted of one lane, and of all that wait for their time: it bounds the reading. */
export const MOST_COUNTED = 100_000;

const ReadWaitingJobs = statement(
  'ReadWaitingJobs',
  `SELECT l.queue, l.priority, sum(c.jobs)::int AS jobs,
          (extract(epoch FROM now()) - min(c.head) / 1000000.0)::float8 AS oldest_seconds
   FROM ffmpeg_master.lanes l
   CROSS JOIN LATERAL (
     SELECT count(*) AS jobs, min(w.position) AS head
     FROM (SELECT j.position FROM ffmpeg_master.jobs j
           WHERE j.lane_id = l.id AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
           ORDER BY j.position, j.sequence_number LIMIT ${MOST_COUNTED}) w
   ) c
   WHERE c.jobs > 0
   GROUP BY l.queue, l.priority`,
);

const ReadOtherFigures = statement(
  'ReadClusterFigures',
  `SELECT (SELECT coalesce(array_agg(q.name ORDER BY q.name), '{}') FROM ffmpeg_master.queues q) AS queues,
          (SELECT count(*) FROM ffmpeg_master.leases l)::int AS leases,
          (SELECT count(*) FROM ffmpeg_master.leases l WHERE NOT l.revoked)::int AS active,
          (SELECT count(*) FROM (SELECT FROM ffmpeg_master.jobs j WHERE j.due_at IS NOT NULL LIMIT ${MOST_COUNTED}) d)::int
            AS due_later,
          n.offline, n.busy, n.available
   FROM (
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

  waiting(): Promise<WaitingJobs[]> {
    return this.database.query<WaitingJobs>(ReadWaitingJobs);
  }

  async others(): Promise<ClusterFigureRow> {
    const [row] = await this.database.query<ClusterFigureRow>(ReadOtherFigures);
    if (row === undefined) throw new Error('ReadClusterFigures answered no row');
    return row;
  }

  /** For how many seconds the oldest committed event has been kept back by a transaction still running; 0 for none. */
  async heldBackSeconds(): Promise<number> {
    // A day to each side: this machine's clock is not the database's.
    const days = [dayOf(Date.now() - DAY_MS), dayOf(Date.now() + DAY_MS)];
    const [row] = await this.database.query<{ seconds: number }>(ReadHeldBackEvent, days);
    return row?.seconds ?? 0;
  }
}
