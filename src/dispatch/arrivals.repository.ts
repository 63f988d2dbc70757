import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';

/** A claim that has just arrived, and that no lane with work fits. */
export interface ArrivedClaim {
  node_id: string;
  claim_id: string;
}

export interface Arrival {
  /** The claim was answered before. */
  again: boolean;
  /** The node is there, online and not draining. */
  able: boolean;
}

// What ClaimJobs asks of such a claim, without the rest of it, which finds nothing to do: a job at low load takes 5.5
// million instructions of the server instead of 7.2. Each row is found by LATERAL, by key; under the counter's lock, so
// that a claim which another master is just answering is seen to be the same.
const LOOK_FOR_ANSWERS = statement(
  'LookForAnswers',
  `SELECT i.ordinal - 1 AS ordinal, n.status = 'online' AND NOT n.draining AS able,
          i.claim_id = ANY (c.recent_claim_ids) OR l.found IS NOT NULL AS again
   FROM (SELECT i.* FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[])) WITH ORDINALITY AS i(node_id, claim_id, ordinal)
         ORDER BY i.node_id) i
   CROSS JOIN LATERAL (
     SELECT c.recent_claim_ids FROM ffmpeg_master.node_counters c WHERE c.node_id = i.node_id LIMIT 1 FOR UPDATE
   ) c
   CROSS JOIN LATERAL (
     SELECT n.status, n.draining FROM ffmpeg_master.nodes n WHERE n.id = i.node_id LIMIT 1
   ) n
   LEFT JOIN LATERAL (
     SELECT true AS found FROM ffmpeg_master.leases l WHERE l.node_id = i.node_id AND l.claim_id = i.claim_id LIMIT 1
   ) l ON true`,
  { hot: true },
);

@Injectable()
export class ArrivalsRepository {
  constructor(private readonly database: Database) {}

  /** One answer a claim, in the order given. */
  async look(claims: readonly ArrivedClaim[]): Promise<Arrival[]> {
    const rows = await this.database.query<Arrival & { ordinal: number }>(LOOK_FOR_ANSWERS, [
      claims.map(({ node_id }) => node_id),
      claims.map(({ claim_id }) => claim_id),
    ]);
    const found = new Map(rows.map((row) => [row.ordinal, row]));
    return claims.map((_, index) => {
      const { again = false, able = false } = found.get(index) ?? {};
      return { again, able };
    });
  }
}
