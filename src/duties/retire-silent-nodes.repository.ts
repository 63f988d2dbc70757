import { Injectable } from '@nestjs/common';
import type { Milliseconds } from '../config/durations.js';
import { statement } from '../database/statement.js';
import { FENCE } from '../leadership/fence.sql.js';
import type { Term } from '../leadership/leadership.js';
import { calm } from './calm.sql.js';
import { FencedStatements } from './fenced-statements.repository.js';

export const NODES_A_STATEMENT = 500;

const RetireSilentNodes = statement(
  'RetireSilentNodes',
  `WITH ${FENCE}, ${calm('$3')},
   silent AS MATERIALIZED (
     SELECT n.id FROM ffmpeg_master.nodes n
     JOIN ffmpeg_master.node_presence p ON p.node_id = n.id
     CROSS JOIN calm
     WHERE n.status = 'online' AND p.seen_at < now() - $4::float8 * interval '1 millisecond'
     LIMIT ${NODES_A_STATEMENT} FOR UPDATE OF n SKIP LOCKED
   ),
   retired AS (
     UPDATE ffmpeg_master.nodes n SET status = 'offline' FROM silent s WHERE n.id = s.id
     RETURNING n.id
   )
   SELECT (SELECT count(*) FROM fence)::int AS fenced,
          (SELECT coalesce(array_agg(r.id), '{}') FROM retired r) AS nodes`,
);

export interface RetiredNodes {
  readonly fenced: number;
  readonly nodes: readonly string[];
}

@Injectable()
export class RetireSilentNodesRepository {
  constructor(private readonly statements: FencedStatements) {}

  retire(term: Term, leaseDuration: Milliseconds, silence: Milliseconds): Promise<RetiredNodes> {
    return this.statements.run<RetiredNodes>(term, RetireSilentNodes, [leaseDuration, silence]);
  }
}
