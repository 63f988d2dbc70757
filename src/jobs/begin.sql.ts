import { placeOf } from './event-order.sql.js';
import { TODAY } from './job-columns.js';

/** Claims of a node that are remembered: a worker has one parked and one in a report, seldom more. */
const RECENT_CLAIMS = 8;

/**
 * Whether a term began on this database since it may have lost commits. Until then lease tokens that were lost may be
 * given once more (StartTerm makes them jump), to the same job and node as well: no attempt begins. Mostly true within
 * 100 ms of a promotion. Of what StartTerm compares, the system identifier is left out: it takes rights and a look at a
 * file, and whoever restores has another timeline or, from a dump, another table.
 */
const TERM_BEGAN = `(SELECT coalesce(l.timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8)
              AND l.relation_oid = 'ffmpeg_master.leadership'::regclass, true) FROM ffmpeg_master.leadership l)`;

/**
 * A CTE `node`: the counters of the nodes in `source` (a column node_id), locked by key, with what each has
 * room for. Looked up one by one, so that the planner expects as many as the source has. `after` is a
 * condition that is evaluated before the first lock.
 */
export function nodeRoom(source: string, after: string): string {
  return `
  node AS MATERIALIZED (
    SELECT c.node_id, c.recent_claim_ids, n.name, n.slots - c.running AS room,
           n.status = 'online' AND NOT n.draining AND ${TERM_BEGAN} AS able
    FROM (SELECT DISTINCT s.node_id FROM ${source} s WHERE ${after} ORDER BY s.node_id) s
    CROSS JOIN LATERAL (
      SELECT c.node_id, c.running, c.recent_claim_ids FROM ffmpeg_master.node_counters c
      WHERE c.node_id = s.node_id FOR UPDATE
    ) c
    CROSS JOIN LATERAL (
      SELECT n.name, n.slots, n.status, n.draining FROM ffmpeg_master.nodes n WHERE n.id = c.node_id LIMIT 1
    ) n
  )`;
}

export interface BeginOptions {
  /** The column of the source `t` that holds how long the lease lasts where it is not `lease`, in milliseconds. */
  readonly ownLease?: string;
  /** A condition that is evaluated before the first event gets its number: CTEs that write run in no promised order. */
  readonly after?: string;
}

/**
 * The lease, the node's count and the event of attempts that begin, behind a CTE `source` of jobs that were just
 * assigned: id, node_id, claim_id, lease_token, queue, timeout_seconds, parameters, attempt, event_count, event_order,
 * tenant_id, tags. `lease` is the parameter that holds its length in milliseconds. Every way an attempt can begin
 * goes through here.
 *
 * Defines `leased`, `counted_node` and `assigned_event`.
 */
export function begin(
  source: string,
  lease: string,
  { ownLease = 'NULL::int', after = 'true' }: BeginOptions = {},
): string {
  return `
  leased AS (
    INSERT INTO ffmpeg_master.leases
      (lease_token, job_id, node_id, claim_id, queue, timeout_seconds, media_seconds, assigned_at, lease_ms, expires_at)
    SELECT t.lease_token, t.id, t.node_id, t.claim_id, t.queue, t.timeout_seconds,
           coalesce(t.parameters ->> 'duration_seconds', t.parameters ->> 'duration')::real, now(), ${ownLease},
           clock_timestamp() + coalesce(${ownLease}, ${lease}::float8) * interval '1 millisecond'
    FROM ${source} t
  ),
  counted_node AS (
    UPDATE ffmpeg_master.node_counters c
    SET running = c.running + t.taken,
        recent_claim_ids = (t.claim_ids || c.recent_claim_ids)[1:${RECENT_CLAIMS}]
    FROM (
      SELECT t.node_id, sum(t.taken)::int AS taken, array_agg(t.claim_id) AS claim_ids
      FROM (SELECT node_id, claim_id, count(*) AS taken FROM ${source} GROUP BY node_id, claim_id) t
      GROUP BY t.node_id
    ) t
    WHERE c.node_id = t.node_id
  ),
  assigned_event AS (
    INSERT INTO ffmpeg_master.job_events
      (day, job_id, n, generation, xid, type, from_status, to_status, attempt, node_id, lease_token, tenant_id, queue, tags)
    SELECT ${TODAY}, t.id, t.event_count, ${placeOf('t.event_order')}, 'assigned', 'queued',
           'assigned', t.attempt, t.node_id, t.lease_token, t.tenant_id, t.queue, t.tags
    FROM ${source} t WHERE ${after}
  )`;
}
