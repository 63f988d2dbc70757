import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { QUEUE_NAME } from '../protocol/priority.js';
import { notFound } from '../protocol/problem.js';
import { Signals } from '../signals/signals.js';
import { rankOf } from '../config/queue-ranks.js';
import { QueueDirectory } from './queue-directory.js';
import { QueueFiguresRepository, type QueueFigures } from './queue-figures.repository.js';
import { QueuesRepository } from './queues.repository.js';
import { COUNTED } from './waiting.sql.js';

export interface QueueView {
  name: string;
  rank: number;
  aging_step_seconds: number | null;
  max_running: number | null;
  paused: boolean;
  /** Jobs that could be claimed now, counted up to 10,000. */
  depth: number;
  /** True where more wait than were counted: `depth` is then 10,000. */
  depth_is_at_least: boolean;
  /** How long the first of them has waited. */
  oldest_seconds: number | null;
  running: number;
  /** Jobs in the last minute, through all masters; up to 5 s old. */
  submitted_per_minute: number;
  finished_per_minute: number;
}

@Injectable()
export class QueuesService {
  constructor(
    private readonly repository: QueuesRepository,
    private readonly figures: QueueFiguresRepository,
    private readonly directory: QueueDirectory,
    private readonly signals: Signals,
  ) {}

  list(principal: Principal): Promise<QueueView[]> {
    return this.views(this.figures.list(principal.tenant_id));
  }

  async setPaused(principal: Principal, name: string, paused: boolean): Promise<QueueView> {
    // A path may hold what PostgreSQL refuses to compare with, NUL for one.
    if (!QUEUE_NAME.test(name) || !(await this.repository.setPaused(name, paused))) throw queueNotFound();
    this.signals.send('queue', name);
    const views = await this.views(this.figures.listNow(principal.tenant_id));
    const view = views.find((queue) => queue.name === name);
    if (!view) throw queueNotFound();
    return view;
  }

  private async views(read: Promise<QueueFigures[]>): Promise<QueueView[]> {
    const [figures] = await Promise.all([read, this.directory.load()]);
    return figures.map((row) => this.view(row));
  }

  private view(row: QueueFigures): QueueView {
    const { rank, aging_step_us, max_running, paused } = this.directory.get(row.name);
    return {
      name: row.name,
      rank: rank ?? rankOf(row.name),
      aging_step_seconds: aging_step_us === null ? null : aging_step_us / 1e6,
      max_running,
      paused,
      depth: Math.min(row.waiting, COUNTED),
      depth_is_at_least: row.waiting > COUNTED,
      oldest_seconds: row.head === null ? null : Math.max(0, (row.database_now - row.head) / 1e6),
      running: row.running,
      submitted_per_minute: row.submitted_per_minute,
      finished_per_minute: row.finished_per_minute,
    };
  }
}

function queueNotFound() {
  return notFound(
    'There is no such queue. `GET /api/v1/queues` lists them; a queue is made by the first job sent to it.',
  );
}
