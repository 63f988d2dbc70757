import { Injectable } from '@nestjs/common';
import { statement } from '../database/statement.js';
import { eventOrder, placeOf } from '../jobs/event-order.sql.js';
import { TODAY } from '../jobs/job-columns.js';
import { FENCE, LEADER } from '../leadership/fence.sql.js';
import type { Term } from '../leadership/leadership.js';
import { FencedStatements } from './fenced-statements.repository.js';
import { lanesWaiting, type LanesWaiting } from './waiting-again.sql.js';

export const PROMOTIONS_A_STATEMENT = 1_000;

// Locked under the LIMIT, so that what somebody holds is passed over and takes no place among the rows.
// A paused job is promoted too and stays paused: its time has come, whatever holds it back. The state is
// checked by a CASE, out of any index's reach: a plan made while the table was empty read all 60,100 waiting
// jobs by it to promote 100.
const PromoteDueJobs = statement(
  'PromoteDueJobs',
  `WITH ${FENCE},
   due AS MATERIALIZED (
     SELECT j.id, j.status FROM ffmpeg_master.jobs j CROSS JOIN fence
     WHERE j.due_at <= now() AND CASE WHEN j.status IN ('queued', 'retrying') THEN true END
     ORDER BY j.due_at LIMIT ${PROMOTIONS_A_STATEMENT} FOR UPDATE OF j SKIP LOCKED
   ),
   promoted AS (
     UPDATE ffmpeg_master.jobs j
     SET status = 'queued', due_at = NULL, event_count = j.event_count + 1,
         event_order = ${eventOrder('j.event_order')}
     FROM due d WHERE j.id = d.id
     RETURNING j.id, d.status AS from_status, j.event_count, j.event_order, j.attempt, j.tenant_id, j.queue, j.tags, j.lane_id, j.paused
   ),
   event AS (
     INSERT INTO ffmpeg_master.job_events
       (day, job_id, n, generation, xid, type, from_status, to_status, attempt, tenant_id, queue, tags, actor)
     SELECT ${TODAY}, p.id, p.event_count, ${placeOf('p.event_order')}, 'promoted', p.from_status, 'queued', p.attempt,
            p.tenant_id, p.queue, p.tags, ${LEADER}
     FROM promoted p
     ORDER BY p.id
   )
   SELECT (SELECT count(*) FROM fence)::int AS fenced,
          (SELECT count(*) FROM promoted)::int AS rows,
          ${lanesWaiting('promoted', 'NOT paused')},
          (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS database_now,
          (SELECT (extract(epoch FROM min(j.due_at)) * 1000)::float8 FROM ffmpeg_master.jobs j WHERE j.due_at > now())
            AS next_due`,
);

export interface PromotedJobs {
  readonly fenced: number;
  readonly rows: number;
  readonly lanes: LanesWaiting;
  /** Epoch milliseconds by the database's clock. */
  readonly database_now: number;
  readonly next_due: number | null;
}

@Injectable()
export class PromoteDueJobsRepository {
  constructor(private readonly statements: FencedStatements) {}

  promote(term: Term): Promise<PromotedJobs> {
    return this.statements.run<PromotedJobs>(term, PromoteDueJobs);
  }
}
