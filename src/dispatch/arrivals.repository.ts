import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import { asAttempt, ATTEMPT, type AttemptColumns, type AttemptRow } from './claim.repository.js';

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

/** An attempt that began, by the claim that it was given to. */
export interface GivenLately {
  lease_token: number;
  node_id: string;
  claim_id: string;
}

/** Of so many attempts one look tells; older ones were told of by the looks before. */
const MOST_LATELY = 5000;

// Newest first and with a LIMIT, so that it goes by the key, whatever share of the leases a plan expects to be new.
const ANSWERED_LATELY = statement(
  'AnsweredLately',
  `SELECT l.lease_token, l.node_id, l.claim_id FROM ffmpeg_master.leases l
   WHERE l.lease_token > $1 ORDER BY l.lease_token DESC LIMIT ${MOST_LATELY}`,
  { onePlan: true },
);

// The lease begins anew, since the worker counts it from its own request; and assigned_at tells whoever would take these
// attempts back that somebody has heard of them.
const ANSWER_AGAIN = statement(
  'AnswerAgain',
  `WITH held AS MATERIALIZED (
     SELECT l.lease_token FROM ffmpeg_master.leases l
     WHERE l.node_id = $1 AND l.claim_id = $2 AND NOT l.revoked
     ORDER BY l.lease_token FOR UPDATE
   ),
   answered AS (
     UPDATE ffmpeg_master.leases l
     SET assigned_at = clock_timestamp(), expires_at = clock_timestamp() + coalesce(l.lease_ms, $3::float8) * interval '1 millisecond'
     WHERE l.lease_token = ANY (ARRAY(SELECT h.lease_token FROM held h))
     RETURNING l.job_id, l.lease_token
   )
   SELECT ${ATTEMPT}
   FROM answered l JOIN ffmpeg_master.jobs j ON j.id = l.job_id AND j.lease_token = l.lease_token
   ORDER BY l.lease_token`,
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

  /** The attempts that an earlier claim of this id was given and that still stand. `lease` of those that name none, in milliseconds. */
  async answerAgain(node_id: string, claim_id: string, lease: number): Promise<AttemptRow[]> {
    const rows = await this.database.query<AttemptColumns>(ANSWER_AGAIN, [node_id, claim_id, lease]);
    return rows.map(asAttempt);
  }

  /** Of the attempts that stand, those with a newer token. */
  answeredAfter(lease_token: number): Promise<GivenLately[]> {
    return this.database.query<GivenLately>(ANSWERED_LATELY, [lease_token]);
  }
}
