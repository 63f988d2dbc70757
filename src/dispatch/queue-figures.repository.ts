import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { ReadDatabase } from '../database/read-database.js';
import { statement } from '../database/statement.js';
import { waitingIn } from './waiting.sql.js';

export interface QueueFigures {
  name: string;
  /** Waiting jobs, up to one more than are counted. */
  waiting: number;
  /** The first waiting job's position, in microseconds. */
  head: number | null;
  running: number;
  /** Jobs in the last minute, of all masters that live. */
  submitted_per_minute: number;
  finished_per_minute: number;
  database_now: number;
}

// What runs is counted in the narrow table of leases: 2 ms for 10,000, where a counter by queue would be one more
// row for every claim and report to lock and change.
const READ_QUEUE_FIGURES = statement(
  'ReadQueueFigures',
  `SELECT q.name, w.waiting, w.head, coalesce(r.running, 0)::int AS running,
          coalesce(m.submitted, 0)::int AS submitted_per_minute, coalesce(m.finished, 0)::int AS finished_per_minute,
          (extract(epoch FROM now()) * 1000000)::bigint AS database_now
   FROM ffmpeg_master.queues q
   CROSS JOIN LATERAL (
     SELECT ARRAY(SELECT l.id FROM ffmpeg_master.lanes l WHERE l.tenant_id = $1 AND l.queue = q.name) AS ids
   ) lane
   CROSS JOIN LATERAL (${waitingIn('lane.ids')}
   ) w
   LEFT JOIN (SELECT e.queue, count(*) AS running FROM ffmpeg_master.leases e GROUP BY e.queue) r ON r.queue = q.name
   LEFT JOIN (
     SELECT s.queue, sum(s.submitted_per_minute) AS submitted, sum(s.finished_per_minute) AS finished
     FROM ffmpeg_master.queue_rates s WHERE s.written_at > now() - interval '15 seconds' GROUP BY s.queue
   ) m ON m.queue = q.name
   ORDER BY q.name`,
);

@Injectable()
export class QueueFiguresRepository {
  constructor(
    private readonly reads: ReadDatabase,
    private readonly primary: Database,
  ) {}

  /** By the name of the queue; from the replica, where there is one. */
  list(tenant_id: string): Promise<QueueFigures[]> {
    return this.reads.read((source) => source.query<QueueFigures>(READ_QUEUE_FIGURES, [tenant_id]));
  }

  /** From the primary: for whoever has just changed a queue. */
  listNow(tenant_id: string): Promise<QueueFigures[]> {
    return this.primary.query<QueueFigures>(READ_QUEUE_FIGURES, [tenant_id]);
  }
}
