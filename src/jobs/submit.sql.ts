/** Shared by plain submits and those that hand jobs straight to parked claims. */
import { begin, nodeRoom } from './begin.sql.js';
import { eventOrder, placeOf } from './event-order.sql.js';
import { LAST_POSITION, NOW_US, TODAY } from './job-columns.js';

/**
 * The jobs of requests whose key nobody else has. Keys are inserted in order: two groups that share two keys would
 * else die of 40P01.
 */
const ACCEPTED = `request AS MATERIALIZED (
     SELECT * FROM json_to_recordset($2::json)
       AS r(request int, tenant_id text, route text, key text, body_hash text, job_ids uuid[])
   ),
   won AS (
     INSERT INTO ffmpeg_master.idempotency_keys (tenant_id, route, key, body_hash, job_ids)
     SELECT r.tenant_id, r.route, r.key, decode(r.body_hash, 'hex'), r.job_ids
     FROM request r ORDER BY r.tenant_id, r.route, r.key
     ON CONFLICT DO NOTHING
     RETURNING tenant_id, route, key, job_ids
   ),
   accepted AS MATERIALIZED (
     SELECT i.* FROM json_to_recordset($1::json)
       AS i(request int, ordinal int, id uuid, tenant_id text, scenario text, parameters jsonb, queue text,
            priority text, requirements jsonb, engine text, classification text, confidence text, tags text[],
            lane_id int, run_at timestamptz, max_retries int, timeout_seconds int, actor text)
     LEFT JOIN request r ON r.request = i.request
     WHERE r.request IS NULL OR r.job_ids IN (SELECT w.job_ids FROM won w)
   )`;

/**
 * One statement for all requests that came in while the last one was in flight: keys first, then jobs.
 * A request whose key another one holds inserts nothing; so does a job id that exists.
 */
export const CREATE_JOBS = `WITH ${ACCEPTED},
   created AS (
     ${insertJobs({ status: "'queued'", event_count: '1', event_order: eventOrder() }, 'accepted a', [])}
   ),
   ${submitted()}
   SELECT c.id, c.sequence_number, c.created_at, c.due_at FROM created c`;

/** What is read of a job whose attempt has begun, beside what every submit reads. */
const BEGUN = [
  'status',
  'node_id',
  'node_name',
  'claim_id',
  'lease_token',
  'attempt',
  'assigned_at',
  'event_count',
  'parameters',
  'timeout_seconds',
  'position',
];

/**
 * The same, and each job for which a parked claim was offered ($3: id of the job, node, claim) begins its attempt
 * at once: one commit between a submit and its worker instead of two. Only where no job waits at all, so that
 * nobody is overtaken; where nothing caps the queue; and where the node still has room. Otherwise the job waits
 * like any other. $4: the lease in milliseconds.
 *
 * The probe for a job that waits goes by the claim's index, as ORDER BY says: a plan that expects nearly all jobs to
 * wait read the whole table for one where none did. And nothing is asked of run_at before nodes are joined: it made
 * the planner expect one offer, and compare 300 with 300 nodes each with each.
 *
 * The counters are locked before the jobs are inserted: nobody can wait for these jobs, so no circle can close.
 */
export const HAND_OVER_JOBS = `WITH ${ACCEPTED},
   offered AS MATERIALIZED (
     SELECT o.*, a.queue, a.run_at FROM json_to_recordset($3::json) AS o(ordinal int, id uuid, node_id uuid, claim_id uuid)
     JOIN accepted a ON a.id = o.id
   ),
   waiting AS MATERIALIZED (
     SELECT j.id FROM ffmpeg_master.jobs j WHERE j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
     ORDER BY j.lane_id, j.position, j.sequence_number LIMIT 1
   ),
   ${nodeRoom('offered', 'NOT EXISTS (SELECT FROM waiting)')},
   fitting AS (
     SELECT o.*, n.name AS node_name, n.able, row_number() OVER (PARTITION BY o.node_id ORDER BY o.ordinal) <= n.room AS fits
     FROM offered o
     JOIN node n ON n.node_id = o.node_id AND NOT o.claim_id = ANY (n.recent_claim_ids)
     LEFT JOIN LATERAL (
       SELECT true AS found FROM ffmpeg_master.leases l
       WHERE l.node_id = o.node_id AND l.claim_id = o.claim_id LIMIT 1
     ) l ON true
     WHERE l.found IS NULL
   ),
   given AS MATERIALIZED (
     SELECT f.*, nextval('ffmpeg_master.lease_tokens') AS lease_token
     FROM fitting f
     JOIN ffmpeg_master.queues q ON q.name = f.queue AND NOT q.paused
     WHERE f.able AND f.fits AND f.run_at IS NULL
       AND NOT EXISTS (SELECT FROM ffmpeg_master.queue_counters c WHERE c.queue = f.queue)
   ),
   created AS (
     ${insertJobs(
       {
         status: "CASE WHEN g.id IS NULL THEN 'queued' ELSE 'assigned' END",
         event_count: '1 + (g.id IS NOT NULL)::int',
         event_order: eventOrder(),
         node_id: 'g.node_id',
         node_name: 'g.node_name',
         claim_id: 'g.claim_id',
         lease_token: 'g.lease_token',
         attempt: '(g.id IS NOT NULL)::int',
         assigned_at: 'CASE WHEN g.id IS NOT NULL THEN now() END',
       },
       'accepted a LEFT JOIN given g ON g.id = a.id',
       BEGUN,
     )}
   ),
   handed AS (
     SELECT c.* FROM created c WHERE c.lease_token IS NOT NULL
   ),
   ${submitted()},
   ${begin('handed', '$4', { after: '(SELECT count(*) FROM submitted_event) >= 0' })}
   SELECT c.id, c.sequence_number, c.created_at, c.due_at, c.status, c.node_id, c.node_name, c.attempt, c.assigned_at,
          c.lease_token, c.position
   FROM created c`;

function insertJobs(
  columns: Readonly<Record<string, string>>,
  source: string,
  returned: readonly string[],
): string {
  return `INSERT INTO ffmpeg_master.jobs
       (id, tenant_id, scenario, parameters, queue, priority, requirements, engine, classification, confidence,
        tags, lane_id, position, run_at, due_at, max_retries, timeout_seconds, ${Object.keys(columns).join(', ')})
     SELECT a.id, a.tenant_id, a.scenario, a.parameters, a.queue, a.priority, a.requirements, a.engine,
            a.classification, a.confidence, a.tags, a.lane_id,
            least(${LAST_POSITION}, greatest(${NOW_US}, (extract(epoch FROM a.run_at) * 1000000)::bigint)),
            a.run_at, CASE WHEN a.run_at > now() THEN a.run_at END, a.max_retries, a.timeout_seconds,
            ${Object.values(columns).join(', ')}
     FROM ${source} ORDER BY a.request, a.ordinal
     ON CONFLICT (id) DO NOTHING
     RETURNING ${['id', 'sequence_number', 'created_at', 'due_at', 'tenant_id', 'queue', 'tags', 'event_order', ...returned].join(', ')}`;
}

function submitted(): string {
  return `submitted_event AS (
     INSERT INTO ffmpeg_master.job_events
       (day, job_id, n, generation, xid, type, from_status, to_status, attempt, tenant_id, queue, tags, actor)
     SELECT ${TODAY}, c.id, 1, ${placeOf('c.event_order')}, 'submitted', NULL, 'queued', 0,
            c.tenant_id, c.queue, c.tags, a.actor
     FROM created c JOIN accepted a ON a.id = c.id
     RETURNING job_id
   )`;
}
