import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { QueueSettings } from './lane-order.js';

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
}
