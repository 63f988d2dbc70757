import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';
import { statement } from '../../database/statement.js';
import type { JobStatus } from '../../protocol/job-status.js';
import { daysLater, type EventCursor } from './event-cursor.js';

// pg_snapshot_xmin is the oldest transaction still running anywhere in the server: all below it are over,
// so what is not seen of them by now never will be.
const STATE = `SELECT l.generation, pg_snapshot_xmin(pg_current_snapshot()) AS horizon,
       (now() AT TIME ZONE 'UTC')::date AS today
  FROM ffmpeg_master.leadership l`;

const OPEN_EVENT_STREAM = statement(
  'OpenEventStream',
  `SELECT s.generation, s.horizon::text, s.today, pg_snapshot_xmax(pg_current_snapshot())::text AS next_xid,
          (SELECT to_date(min(right(c.relname, 8)), 'YYYYMMDD')
           FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = 'ffmpeg_master.job_events'::regclass) AS oldest_day
   FROM (${STATE}) s`,
);

// The days are values, so that only their partitions are locked; the limit too, so that the plan reads
// the index in its order and stops.
/** Exported for the spec that looks at its plan. */
export const READ_EVENTS = statement(
  'ReadEvents',
  `SELECT s.generation AS present_generation, s.horizon::text, s.today,
          (SELECT true FROM ffmpeg_master.job_events w
           WHERE w.day BETWEEN $1::date AND $2::date AND w.generation = $3 AND w.xid >= s.horizon
           LIMIT 1) AS held_back,
          e.*
   FROM (${STATE}) s
   LEFT JOIN LATERAL (
     SELECT e.day, e.job_id, e.n, e.id, e.xid::text AS xid, e.at, e.type, e.from_status, e.to_status, e.attempt,
            e.node_id, e.lease_token, e.tenant_id, e.queue, e.tags, e.data
     FROM ffmpeg_master.job_events e
     WHERE e.day BETWEEN $1::date AND $2::date AND e.generation = $3
       AND (e.xid, e.id) > ($4::xid8, $5::bigint) AND e.xid < s.horizon
     ORDER BY e.generation, e.xid, e.id
     LIMIT $6
   ) e ON true
   ORDER BY e.xid::xid8, e.id`,
  { prepared: false },
);

export interface StreamState {
  readonly generation: number;
  /** All transactions below are over. */
  readonly horizon: bigint;
  readonly today: string;
  /** No transaction has this id or a higher one yet. */
  readonly next_xid: bigint;
  readonly oldest_day: string;
}

export interface EventRow {
  day: string;
  job_id: string;
  n: number;
  id: number;
  xid: bigint;
  at: Date;
  type: string;
  from_status: JobStatus | null;
  to_status: JobStatus;
  attempt: number;
  node_id: string | null;
  lease_token: number | null;
  tenant_id: string;
  queue: string;
  tags: string[];
  data: Record<string, unknown> | null;
}

export interface EventRows {
  readonly rows: EventRow[];
  readonly generation: number;
  readonly today: string;
  /** Events are committed that a transaction still running keeps back. */
  readonly held_back: boolean;
}

interface Answered extends Omit<EventRow, 'xid' | 'id'> {
  present_generation: number;
  today: string;
  held_back: boolean | null;
  /** NULL where the page is empty. */
  xid: string | null;
  id: number | null;
}

@Injectable()
export class EventStreamRepository {
  constructor(private readonly database: Database) {}

  async open(): Promise<StreamState> {
    type Row = Omit<StreamState, 'horizon' | 'next_xid'> & { horizon: string; next_xid: string };
    const [row] = await this.database.query<Row>(OPEN_EVENT_STREAM);
    if (!row) throw new Error('the table leadership is empty; its one row comes with the migration');
    return { ...row, horizon: BigInt(row.horizon), next_xid: BigInt(row.next_xid) };
  }

  /** Events after the cursor, in order, of the day before its day to the day after. */
  async read({ generation, xid, id, day }: EventCursor, limit: number): Promise<EventRows> {
    const values = [daysLater(day, -1), daysLater(day, 1), generation, String(xid), id, limit];
    const answered = await this.database.query<Answered>(READ_EVENTS, values);
    const [first] = answered;
    if (!first) throw new Error('the table leadership is empty; its one row comes with the migration');
    return {
      rows: answered.flatMap((row) =>
        row.xid === null || row.id === null ? [] : { ...row, xid: BigInt(row.xid), id: row.id },
      ),
      generation: first.present_generation,
      today: first.today,
      held_back: first.held_back ?? false,
    };
  }
}
