import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { QueueSettings } from './lane-order.js';

export interface QueueFigures {
  name: string;
  /** Waiting jobs, counted up to 10,000 a lane. */
  waiting: number;
  /** The first waiting job's position, in microseconds. */
  head: number | null;
  running: number;
  /** Jobs in the last minute, of all masters that live. */
  submitted_per_minute: number;
  finished_per_minute: number;
  database_now: number;
}

const LIST_QUEUE_SETTINGS = statement(
  'ListQueueSettings',
  `SELECT q.name, q.rank, q.aging_step_us, q.max_running, q.paused,
          coalesce(c.running >= q.max_running, false) AS at_limit
   FROM ffmpeg_master.queues q LEFT JOIN ffmpeg_master.queue_counters c ON c.queue = q.name
   ORDER BY q.name`,
);

const PAUSE_QUEUE = statement(
  'PauseQueue',
  `UPDATE ffmpeg_master.queues q SET paused = $2 WHERE q.name = $1 RETURNING q.name`,
);

/** Waiting jobs that are counted of one lane: beyond it a person wants to know "many", not a scan. */
export const COUNTED_A_LANE = 10_000;

const READ_QUEUE_FIGURES = statement(
  'ReadQueueFigures',
  `SELECT q.name, coalesce(w.waiting, 0)::int AS waiting, w.head, coalesce(r.running, 0)::int AS running,
          coalesce(m.submitted, 0)::int AS submitted_per_minute, coalesce(m.finished, 0)::int AS finished_per_minute,
          (extract(epoch FROM now()) * 1000000)::bigint AS database_now
   FROM ffmpeg_master.queues q
   LEFT JOIN LATERAL (
     SELECT sum(c.waiting) AS waiting, min(c.head) AS head
     FROM ffmpeg_master.lanes l
     CROSS JOIN LATERAL (
       SELECT count(*) AS waiting, min(j.position) AS head
       FROM (SELECT j.position FROM ffmpeg_master.jobs j
             WHERE j.lane_id = l.id AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
             ORDER BY j.position, j.sequence_number LIMIT ${COUNTED_A_LANE}) j
     ) c
     WHERE l.queue = q.name AND l.tenant_id = $1
   ) w ON true
   LEFT JOIN (SELECT e.queue, count(*) AS running FROM ffmpeg_master.leases e GROUP BY e.queue) r ON r.queue = q.name
   LEFT JOIN (
     SELECT s.queue, sum(s.submitted_per_minute) AS submitted, sum(s.finished_per_minute) AS finished
     FROM ffmpeg_master.queue_rates s WHERE s.written_at > now() - interval '15 seconds' GROUP BY s.queue
   ) m ON m.queue = q.name
   ORDER BY q.name`,
);

@Injectable()
export class QueuesRepository {
  constructor(private readonly database: Database) {}

  settings(): Promise<QueueSettings[]> {
    return this.database.query<QueueSettings>(LIST_QUEUE_SETTINGS);
  }

  /** False where there is no such queue. */
  async setPaused(name: string, paused: boolean): Promise<boolean> {
    return (await this.database.query(PAUSE_QUEUE, [name, paused])).length > 0;
  }

  figures(tenant_id: string): Promise<QueueFigures[]> {
    return this.database.query<QueueFigures>(READ_QUEUE_FIGURES, [tenant_id]);
  }
}
