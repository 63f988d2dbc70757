import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { makePartitions } from '../database/partitions.repository.js';
import { statement } from '../database/statement.js';
import { FENCE } from '../leadership/fence.sql.js';
import type { Term } from '../leadership/leadership.js';
import { FencedStatements } from './fenced-statements.repository.js';

export const PARTITIONED = ['job_history', 'job_events', 'job_logs'] as const;
export type Partitioned = (typeof PARTITIONED)[number];

export const PRUNED_A_STATEMENT = 500;

// The function looks at the fence too: it runs as the owner, so it must not trust its caller to. But its
// NULL says nothing of why.
const DropOldestPartition = statement(
  'DropOldestPartition',
  `WITH ${FENCE}
   SELECT (SELECT count(*) FROM fence)::int AS fenced,
          (SELECT ffmpeg_master.drop_oldest_partition($1, $2, $3, (now() AT TIME ZONE 'UTC')::date - $4::integer)
           FROM fence) AS dropped`,
);

// Closed is a day in which no transaction can archive any more; none lasts 5 s, and ten minutes are plenty.
// The CASE: with 400 partitions the planner reads pg_class first, and the names of other relations are no days.
const FindUnclosedDay = statement(
  'FindUnclosedDay',
  `SELECT min(p.day) AS day
   FROM (
     SELECT CASE WHEN c.relname ~ '^job_history_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END AS day
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'ffmpeg_master.job_history'::regclass
   ) p
   WHERE p.day < ((now() - interval '10 minutes') AT TIME ZONE 'UTC')::date
     AND NOT EXISTS (SELECT FROM ffmpeg_master.history_days d WHERE d.day = p.day)`,
);

// Not prepared: planned with its day, it locks one partition instead of all. A day without jobs is closed
// too, with a range that holds no number. The index has the tenant first, so it is asked tenant by tenant: three
// look-ups each, where a day of a million jobs is a second's reading.
const CloseDay = statement(
  'CloseDay',
  `WITH RECURSIVE ${FENCE},
   tenant AS (
     (SELECT j.tenant_id FROM ffmpeg_master.job_history j WHERE j.archived_on = $3::date ORDER BY j.tenant_id LIMIT 1)
     UNION ALL
     SELECT n.tenant_id FROM tenant t CROSS JOIN LATERAL (
       SELECT j.tenant_id FROM ffmpeg_master.job_history j
       WHERE j.archived_on = $3::date AND j.tenant_id > t.tenant_id ORDER BY j.tenant_id LIMIT 1
     ) n
   ),
   closed AS (
     INSERT INTO ffmpeg_master.history_days (day, lowest, highest)
     SELECT $3::date, coalesce(min(h.lowest), 1), coalesce(max(h.highest), 0)
     FROM fence
     CROSS JOIN (
       SELECT min(l.sequence_number) AS lowest, max(u.sequence_number) AS highest
       FROM tenant t
       CROSS JOIN LATERAL (SELECT j.sequence_number FROM ffmpeg_master.job_history j
                           WHERE j.archived_on = $3::date AND j.tenant_id = t.tenant_id
                           ORDER BY j.sequence_number LIMIT 1) l
       CROSS JOIN LATERAL (SELECT j.sequence_number FROM ffmpeg_master.job_history j
                           WHERE j.archived_on = $3::date AND j.tenant_id = t.tenant_id
                           ORDER BY j.sequence_number DESC LIMIT 1) u
     ) h
     HAVING count(*) > 0
     ON CONFLICT (day) DO NOTHING
     RETURNING 1
   )
   SELECT (SELECT count(*) FROM fence)::int AS fenced, (SELECT count(*) FROM closed)::int AS rows`,
  { prepared: false },
);

const PruneIdempotencyKeys = statement(
  'PruneIdempotencyKeys',
  `WITH ${FENCE},
   old AS MATERIALIZED (
     SELECT k.tenant_id, k.route, k.key FROM ffmpeg_master.idempotency_keys k CROSS JOIN fence
     WHERE k.created_at < now() - interval '24 hours'
     ORDER BY k.created_at LIMIT ${PRUNED_A_STATEMENT} FOR UPDATE OF k SKIP LOCKED
   ),
   pruned AS (
     DELETE FROM ffmpeg_master.idempotency_keys k USING old o
     WHERE k.tenant_id = o.tenant_id AND k.route = o.route AND k.key = o.key
     RETURNING 1
   )
   SELECT (SELECT count(*) FROM fence)::int AS fenced, (SELECT count(*) FROM pruned)::int AS rows`,
);

const PruneMasters = statement(
  'PruneMasters',
  `WITH ${FENCE},
   gone AS MATERIALIZED (
     SELECT m.id FROM ffmpeg_master.masters m
     LEFT JOIN ffmpeg_master.master_presence p ON p.master_id = m.id
     CROSS JOIN fence
     WHERE coalesce(p.seen_at, m.started_at) < now() - interval '1 day'
     LIMIT ${PRUNED_A_STATEMENT} FOR UPDATE OF m SKIP LOCKED
   ),
   absent AS (DELETE FROM ffmpeg_master.master_presence p USING gone g WHERE p.master_id = g.id),
   silent AS (
     DELETE FROM ffmpeg_master.queue_rates q
     WHERE (q.master_id, q.queue) IN (
       SELECT r.master_id, r.queue FROM ffmpeg_master.queue_rates r CROSS JOIN fence
       WHERE r.written_at < now() - interval '1 day' LIMIT ${PRUNED_A_STATEMENT})
   ),
   pruned AS (DELETE FROM ffmpeg_master.masters m USING gone g WHERE m.id = g.id RETURNING 1)
   SELECT (SELECT count(*) FROM fence)::int AS fenced, (SELECT count(*) FROM pruned)::int AS rows`,
);

// A node that comes back later is told that it is unknown, and registers.
const PruneNodes = statement(
  'PruneNodes',
  `WITH ${FENCE},
   gone AS MATERIALIZED (
     SELECT n.id FROM ffmpeg_master.nodes n
     JOIN ffmpeg_master.node_presence p ON p.node_id = n.id
     CROSS JOIN fence
     WHERE n.status = 'offline' AND p.seen_at < now() - interval '7 days'
       AND NOT EXISTS (SELECT FROM ffmpeg_master.leases l WHERE l.node_id = n.id)
     LIMIT ${PRUNED_A_STATEMENT} FOR UPDATE OF n SKIP LOCKED
   ),
   absent AS (DELETE FROM ffmpeg_master.node_presence p USING gone g WHERE p.node_id = g.id),
   uncounted AS (DELETE FROM ffmpeg_master.node_counters c USING gone g WHERE c.node_id = g.id),
   pruned AS (DELETE FROM ffmpeg_master.nodes n USING gone g WHERE n.id = g.id RETURNING n.id)
   SELECT (SELECT count(*) FROM fence)::int AS fenced, (SELECT count(*) FROM pruned)::int AS rows,
          (SELECT coalesce(array_agg(p.id), '{}') FROM pruned p) AS nodes`,
);

interface Pruned {
  readonly fenced: number;
  readonly rows: number;
}

interface Dropped {
  readonly fenced: number;
  readonly dropped: string | null;
}

@Injectable()
export class PartitionsAndPruneRepository {
  constructor(
    private readonly database: Database,
    private readonly statements: FencedStatements,
  ) {}

  /** Makes what is missing of today and the days ahead; answers how many. */
  makePartitions(): Promise<number> {
    return makePartitions(this.database);
  }

  /** Answers the day dropped, 'YYYY-MM-DD'; null where nothing is older or somebody reads the table. */
  async dropOldestPartition(term: Term, table: Partitioned, days: number): Promise<string | null> {
    const values = [table, days];
    return (await this.statements.run<Dropped>(term, DropOldestPartition, values)).dropped;
  }

  /** Notes the lowest and highest number of the oldest finished day that lacks it; answers how many days. */
  async closeDay(term: Term): Promise<number> {
    const [found] = await this.database.query<{ day: string | null }>(FindUnclosedDay);
    if (found?.day == null) return 0;
    return (await this.statements.run<Pruned>(term, CloseDay, [found.day])).rows;
  }

  async pruneIdempotencyKeys(term: Term): Promise<number> {
    return (await this.statements.run<Pruned>(term, PruneIdempotencyKeys)).rows;
  }

  async pruneMasters(term: Term): Promise<number> {
    return (await this.statements.run<Pruned>(term, PruneMasters)).rows;
  }

  /** Answers the ids of the nodes removed. */
  async pruneNodes(term: Term): Promise<readonly string[]> {
    return (await this.statements.run<Pruned & { nodes: readonly string[] }>(term, PruneNodes)).nodes;
  }
}
