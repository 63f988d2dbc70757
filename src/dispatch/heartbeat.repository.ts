import { Injectable } from '@nestjs/common';
import type { Milliseconds } from '../config/durations.js';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import { eventOrder, placeOf } from '../jobs/event-order.sql.js';
import { TODAY } from '../jobs/job-columns.js';
import type { AttemptHeartbeat } from '../protocol/heartbeat.js';

/** What a node says of one attempt. */
export interface BeatingAttempt extends AttemptHeartbeat {
  node_id: string;
  /** How long it may run, where its job does not say. */
  limit_seconds?: number;
}

/** What a node says of itself. */
export interface BeatingNode {
  node_id: string;
  cpu_load_percent?: number;
  ram_free_bytes?: number;
}

/** An attempt that has a lease, a revoked one included. */
export interface BeatenAttempt {
  /** Place among the attempts of the statement, from 0. */
  ordinal: number;
  extended: boolean;
  canceled: boolean;
  paused: boolean;
  /** It began, and neither its job nor its clock know it yet. */
  starting: boolean;
}

/** A node that is there. */
export interface BeatenNode {
  /** Place among the nodes of the statement, from 0. */
  ordinal: number;
  draining: boolean;
  offline: boolean;
}

// One statement for all that 1,000 nodes say every ten seconds: their leases, in the order of the tokens, then
// when they were seen. Both updates touch no indexed column, so they are HOT. `paused_at` tells a pause, so
// that no job is read.
// Each row is found by LATERAL … LIMIT: a look-up by key whatever the plan was made with. Joined by = ANY, the
// parts were planned for ten rows and met as nested loops over one another: 2.2 ms a node in groups of 200
// with ten attempts each, where this takes 0.15.
// Job and node are compared in a CASE, which no index serves, and before the lock: a guessed token beside
// the true one in a group gains nothing and delays nobody.
// SKIP LOCKED: who holds the row of a node is noting its presence, too.
const EXTEND_LEASES = statement(
  'ExtendLeases',
  `WITH held AS MATERIALIZED (
     SELECT i.*, l.*
     FROM (SELECT i.*
           FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::bigint[]), (SELECT $4::boolean[]), (SELECT $5::real[]), (SELECT $6::real[]), (SELECT $7::real[]), (SELECT $8::real[]), (SELECT $13::int[]))
             WITH ORDINALITY AS i(node_id, job_id, lease_token, started, progress, fps, speed, duration_seconds, limit_seconds, ordinal)
           ORDER BY i.lease_token) i
     CROSS JOIN LATERAL (
       SELECT l.revoked, l.canceled, l.paused_at IS NOT NULL AS paused, l.clock_from IS NULL AS not_begun
       FROM ffmpeg_master.leases l
       WHERE l.lease_token = i.lease_token AND CASE WHEN l.job_id = i.job_id THEN l.node_id = i.node_id END
       LIMIT 1 FOR UPDATE
     ) l
   ),
   extended AS (
     UPDATE ffmpeg_master.leases l
     SET expires_at = clock_timestamp() + coalesce(l.lease_ms, $9::float8) * interval '1 millisecond',
         progressed_at = CASE WHEN h.progress > l.progress THEN now() ELSE l.progressed_at END,
         progress = greatest(h.progress, l.progress),
         fps = coalesce(h.fps, l.fps), speed = coalesce(h.speed, l.speed),
         media_seconds = coalesce(h.duration_seconds, l.media_seconds),
         timeout_seconds = coalesce(l.timeout_seconds, h.limit_seconds)
     FROM held h WHERE l.lease_token = h.lease_token AND NOT h.revoked
   ),
   seen AS MATERIALIZED (
     SELECT i.* FROM unnest((SELECT $10::uuid[]), (SELECT $11::real[]), (SELECT $12::bigint[])) AS i(node_id, cpu_load_percent, ram_free_bytes)
     CROSS JOIN LATERAL (
       SELECT FROM ffmpeg_master.node_presence p
       WHERE p.node_id = i.node_id AND (SELECT count(*) FROM held) >= 0
       LIMIT 1 FOR UPDATE SKIP LOCKED
     ) p
   ),
   touched AS (
     UPDATE ffmpeg_master.node_presence p
     SET seen_at = clock_timestamp(),
         cpu_load_percent = coalesce(s.cpu_load_percent, p.cpu_load_percent),
         ram_free_bytes = coalesce(s.ram_free_bytes, p.ram_free_bytes)
     FROM seen s WHERE p.node_id = s.node_id
   )
   SELECT 'attempt' AS of, h.ordinal - 1 AS ordinal, NOT h.revoked AS extended, h.canceled,
          h.paused AND NOT h.revoked AS paused, h.started AND h.not_begun AND NOT h.revoked AS starting,
          NULL::boolean AS draining, NULL::boolean AS offline
   FROM held h
   UNION ALL
   SELECT 'node', i.ordinal - 1, NULL, NULL, NULL, NULL, n.draining, n.status = 'offline'
   FROM unnest((SELECT $10::uuid[])) WITH ORDINALITY AS i(node_id, ordinal)
   CROSS JOIN LATERAL (
     SELECT n.draining, n.status FROM ffmpeg_master.nodes n WHERE n.id = i.node_id LIMIT 1
   ) n`,
  { hot: true },
);

// Jobs, then leases, each in key order. The state is checked by a CASE, out of any index's reach: a plan made
// while few jobs were assigned read all assigned ones for one heartbeat.
const START_ATTEMPTS = statement(
  'StartAttempts',
  `WITH input AS MATERIALIZED (
     SELECT * FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::bigint[])) AS i(node_id, job_id, lease_token)
   ),
   starting AS MATERIALIZED (
     SELECT j.id
     FROM (SELECT * FROM input ORDER BY job_id) i
     CROSS JOIN LATERAL (
       SELECT j.id FROM ffmpeg_master.jobs j
       WHERE j.id = i.job_id AND CASE WHEN j.lease_token = i.lease_token
                                      THEN j.node_id = i.node_id AND j.status = 'assigned' END
       LIMIT 1 FOR UPDATE
     ) j
   ),
   begun AS (
     UPDATE ffmpeg_master.jobs j SET status = 'running', started_at = now(), event_count = j.event_count + 1,
                                     event_order = ${eventOrder('j.event_order')}
     FROM starting s WHERE j.id = s.id AND CASE WHEN j.status = 'assigned' THEN true END
     RETURNING j.*
   ),
   event AS (
     INSERT INTO ffmpeg_master.job_events
       (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token, tenant_id, queue, tags)
     SELECT ${TODAY}, b.id, b.event_count, ${placeOf('b.event_order')}, 'started', 'assigned', 'running', b.attempt, b.node_id,
            b.lease_token, b.tenant_id, b.queue, b.tags
     FROM begun b
   ),
   held AS MATERIALIZED (
     SELECT i.lease_token
     FROM (SELECT * FROM input WHERE (SELECT count(*) FROM starting) >= 0 ORDER BY lease_token) i
     CROSS JOIN LATERAL (
       SELECT FROM ffmpeg_master.leases l
       WHERE l.lease_token = i.lease_token AND CASE WHEN l.job_id = i.job_id THEN l.node_id = i.node_id END
       LIMIT 1 FOR UPDATE
     ) l
   ),
   clock AS (
     UPDATE ffmpeg_master.leases l
     SET clock_from = coalesce(l.clock_from, now()), progressed_at = coalesce(l.progressed_at, now())
     FROM held h WHERE l.lease_token = h.lease_token
   )
   SELECT b.id FROM begun b`,
  { hot: true },
);

@Injectable()
export class HeartbeatRepository {
  constructor(private readonly database: Database) {}

  /**
   * Notes that the nodes were seen, and extends the leases of their attempts, by `lease` where they have none of their own. No
   * attempt and no node may be there twice.
   */
  async extend(
    nodes: readonly BeatingNode[],
    attempts: readonly BeatingAttempt[],
    lease: Milliseconds,
  ): Promise<{ nodes: BeatenNode[]; attempts: BeatenAttempt[] }> {
    const rows = await this.database.query<
      ({ of: 'attempt' } & BeatenAttempt) | ({ of: 'node' } & BeatenNode)
    >(EXTEND_LEASES, [
      attempts.map((attempt) => attempt.node_id),
      attempts.map((attempt) => attempt.job_id),
      attempts.map((attempt) => attempt.lease_token),
      attempts.map((attempt) => attempt.started ?? false),
      attempts.map((attempt) => real(attempt.progress)),
      attempts.map((attempt) => real(attempt.fps)),
      attempts.map((attempt) => real(attempt.speed)),
      attempts.map((attempt) => real(attempt.duration_seconds)),
      lease,
      nodes.map((node) => node.node_id),
      nodes.map((node) => real(node.cpu_load_percent)),
      nodes.map((node) => node.ram_free_bytes),
      attempts.map((attempt) => attempt.limit_seconds),
    ]);
    return {
      attempts: rows.filter((row) => row.of === 'attempt'),
      nodes: rows.filter((row) => row.of === 'node'),
    };
  }

  /** These attempts have begun; answers how many jobs did not know it. */
  async start(attempts: readonly BeatingAttempt[]): Promise<number> {
    const begun = await this.database.query(START_ATTEMPTS, [
      attempts.map((attempt) => attempt.node_id),
      attempts.map((attempt) => attempt.job_id),
      attempts.map((attempt) => attempt.lease_token),
    ]);
    return begun.length;
  }
}

/** PostgreSQL refuses as `real` what is too small for one, such as 1e-50. */
function real(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.fround(value);
}
