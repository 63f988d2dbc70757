import { Injectable } from '@nestjs/common';
import type { Milliseconds } from '../config/durations.js';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';

/** An attempt that has a lease, a revoked one included. */
export interface HeldAttempt {
  node_id: string;
  job_id: string;
  lease_token: number;
  /** Of the claim that it was given to. */
  claim_id: string;
  /** Its job was taken from it, or ended; only the slot is still taken. */
  revoked: boolean;
  begun: boolean;
  /** Since its claim was answered. */
  age: Milliseconds;
  /** Its job does not say how long it may run. */
  unlimited: boolean;
}

// By LATERAL: a look-up by key in the index of claims, whatever the plan was made with.
const LIST_HELD_ATTEMPTS = statement(
  'ListHeldAttempts',
  `SELECT i.node_id, l.*
   FROM (SELECT DISTINCT i.node_id FROM unnest((SELECT $1::uuid[])) AS i(node_id)) i
   CROSS JOIN LATERAL (
     SELECT l.job_id, l.lease_token, l.claim_id, l.revoked, l.clock_from IS NOT NULL AS begun,
            1000 * extract(epoch FROM clock_timestamp() - l.assigned_at)::float8 AS age,
            l.timeout_seconds IS NULL AS unlimited
     FROM ffmpeg_master.leases l WHERE l.node_id = i.node_id ORDER BY l.lease_token OFFSET 0
   ) l`,
  { hot: true },
);

@Injectable()
export class HeldAttemptsRepository {
  constructor(private readonly database: Database) {}

  list(node_ids: readonly string[]): Promise<HeldAttempt[]> {
    return this.database.query<HeldAttempt>(LIST_HELD_ATTEMPTS, [node_ids]);
  }
}
