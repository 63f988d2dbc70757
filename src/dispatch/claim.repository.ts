import { Injectable } from '@nestjs/common';
import type { Milliseconds } from '../config/durations.js';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import { begin, nodeRoom } from '../jobs/begin.sql.js';
import { eventOrder } from '../jobs/event-order.sql.js';
import { instantText } from '../protocol/instant-text.js';
import type { JobParameters } from '../protocol/job-parameters.js';

/** A lane that a statement may take from, and the position below which nothing waits any more. */
export interface LaneOffer {
  lane_id: number;
  low_water: number;
}

/** What one claim asks of one lane; of none where it only asks whether it was answered before. */
export interface ClaimPart {
  lane_id: number | null;
  node_id: string;
  claim_id: string;
  /** Jobs that it would take from there. */
  wanted: number;
  /** Of its attempts, where it is not that of all. */
  lease?: Milliseconds;
}

/** What became of a part, beside its jobs. */
export interface PartAnswer {
  /** The claim was answered before; it gets nothing new. */
  again: boolean;
  /** The node is there, online and not draining. */
  able: boolean;
  /** The node had no room for all. */
  full: boolean;
  /** The queue is paused or reached its limit. */
  refused: boolean;
  /** Less waited in the lane than it was asked for. */
  short: boolean;
  attempts: AttemptRow[];
}

export interface AttemptRow {
  id: string;
  sequence_number: number;
  scenario: string;
  parameters: JobParameters;
  queue: string;
  priority: string;
  engine: string;
  attempt: number;
  timeout_seconds: number | null;
  created_at: string;
  lease_token: number;
  lane_id: number;
  position: number;
}

export interface LaneHead {
  lane_id: number;
  /** Position of the first waiting job. */
  head: number;
}

export const ATTEMPT = `j.id, j.sequence_number, j.scenario, j.parameters, j.queue, j.priority, j.engine, j.attempt,
  j.timeout_seconds, j.created_at, j.lease_token, j.lane_id, j.position`;

/**
 * The claim. Reads as: lock the counters (queues, then nodes, each by key); leave out claims that were
 * answered before; grant each part what its node has room for and its queue allows; per lane lock as many
 * waiting jobs as were granted; give them tokens, leases and events.
 *
 * - `recent_claim_ids` are read under the counter's lock, so a claim repeated on another master is seen even
 *   while the first one commits; `leases` tell of older ones.
 * - The jobs found are carried as arrays, a lane's jobs beside the parts that get them: joined as a CTE with a parameter as LIMIT, the generic plan reads
 *   the table (92 ms against 0.7).
 * - A lane stands in the statement once: SKIP LOCKED does not skip what the same statement locked.
 * - The jobs are locked with SKIP LOCKED, so waiting for nobody after the counters is safe.
 * - The input counts itself by generate_series, whose estimate is 1,000 rows (of an array it is 10), and nodes
 *   are looked up one by one (LATERAL), so that their number is estimated by the input's and what joins them is
 *   hashed. Estimated as one row they were joined in loops: 256 × 256 a claim.
 * - The jobs are updated where they were found, by an array of their places: of an array the planner expects ten rows, so
 *   that it fetches them whatever else it thinks of the table. Joined, a plan made while the table was small read it all.
 * - The last check of the state is a CASE, which no index can serve: spelled as the predicate of the
 *   claim's index, a plan made before the first ANALYZE read that whole index (100,000 rows a claim).
 */
const CLAIM_JOBS = statement(
  'ClaimJobs',
  `WITH part AS MATERIALIZED (
     SELECT p.*, l.queue
     FROM (SELECT generate_series(1, (SELECT $8::int)) AS ordinal, unnest($3::int[]) AS lane_id, unnest($4::uuid[]) AS node_id,
                  unnest($5::uuid[]) AS claim_id, unnest($6::int[]) AS wanted, unnest($9::int[]) AS lease_ms) p
     LEFT JOIN ffmpeg_master.lanes l ON l.id = p.lane_id
   ),
   queue_counter AS MATERIALIZED (
     SELECT c.queue, c.running FROM ffmpeg_master.queue_counters c
     WHERE c.queue IN (SELECT p.queue FROM part p)
     ORDER BY c.queue FOR UPDATE OF c
   ),
   ${nodeRoom('part', '(SELECT count(*) FROM queue_counter) >= 0')},
   known AS MATERIALIZED (
     SELECT p.*, n.name AS node_name, n.room, n.able,
            coalesce(p.claim_id = ANY (n.recent_claim_ids) OR l.found, false) AS again
     FROM part p
     LEFT JOIN node n ON n.node_id = p.node_id
     LEFT JOIN LATERAL (
       SELECT true AS found FROM ffmpeg_master.leases l
       WHERE l.node_id = p.node_id AND l.claim_id = p.claim_id LIMIT 1
     ) l ON true
   ),
   fitted AS (
     SELECT k.*,
            CASE WHEN k.able AND NOT k.again
                 THEN greatest(0, least(k.wanted, k.room - (sum(k.wanted) OVER node_so_far)::int + k.wanted))
                 ELSE 0 END AS fits
     FROM known k
     WINDOW node_so_far AS (PARTITION BY k.node_id ORDER BY k.ordinal)
   ),
   allowed AS MATERIALIZED (
     SELECT f.ordinal, f.lane_id, f.node_id, f.node_name, f.claim_id, f.wanted, f.lease_ms, f.able, f.again, f.fits,
            CASE WHEN q.name IS NULL OR q.paused THEN 0
                 WHEN c.queue IS NULL THEN f.fits
                 ELSE greatest(0, least(f.fits, q.max_running - c.running
                                                - (sum(f.fits) OVER queue_so_far)::int + f.fits)) END AS granted
     FROM fitted f
     LEFT JOIN ffmpeg_master.queues q ON q.name = f.queue
     LEFT JOIN queue_counter c ON c.queue = f.queue
     WINDOW queue_so_far AS (PARTITION BY f.queue ORDER BY f.ordinal)
   ),
   locked AS MATERIALIZED (
     SELECT n.ordinals, w.ids, w.places
     FROM (
       SELECT a.lane_id, array_agg(a.ordinal) AS ordinals
       FROM (SELECT a.lane_id, a.ordinal, generate_series(1, a.granted) FROM allowed a WHERE a.granted > 0) a
       GROUP BY a.lane_id
     ) n
     JOIN unnest((SELECT $1::int[]), (SELECT $2::bigint[])) AS offer(lane_id, low_water) ON offer.lane_id = n.lane_id
     CROSS JOIN LATERAL (
       SELECT array_agg(w.id) AS ids, array_agg(w.place) AS places
       FROM (
         SELECT j.id, j.ctid AS place FROM ffmpeg_master.jobs j
         WHERE j.lane_id = n.lane_id AND j.position >= offer.low_water
           AND j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL
         ORDER BY j.position, j.sequence_number
         LIMIT cardinality(n.ordinals) FOR UPDATE SKIP LOCKED
       ) w
     ) w
   ),
   matched AS MATERIALIZED (
     SELECT u.id, u.place, u.lease_token, a.ordinal, a.node_id, a.node_name, a.claim_id, a.lease_ms
     FROM (
       SELECT u.*, nextval('ffmpeg_master.lease_tokens') AS lease_token
       FROM locked k CROSS JOIN LATERAL unnest(k.ids, k.places, k.ordinals) AS u(id, place, ordinal)
       WHERE u.id IS NOT NULL
     ) u
     JOIN allowed a ON a.ordinal = u.ordinal
   ),
   taken AS (
     UPDATE ffmpeg_master.jobs j
     SET status = 'assigned', node_id = m.node_id, node_name = m.node_name, claim_id = m.claim_id,
         lease_token = m.lease_token, attempt = j.attempt + 1, assigned_at = now(), started_at = NULL,
         event_count = j.event_count + 1, event_order = ${eventOrder('j.event_order')}
     FROM matched m
     WHERE j.ctid = ANY (ARRAY(SELECT m.place FROM matched m)) AND j.id = m.id
       AND CASE WHEN j.status = 'queued' THEN NOT j.paused AND j.due_at IS NULL END
     RETURNING m.ordinal, m.lease_ms, j.node_id, j.claim_id, j.tenant_id, j.tags, j.event_count, j.event_order, ${ATTEMPT}
   ),
   counted_queue AS (
     UPDATE ffmpeg_master.queue_counters c SET running = c.running + t.taken
     FROM (SELECT queue, count(*)::int AS taken FROM taken GROUP BY queue) t
     WHERE c.queue = t.queue
   ),
   ${begin('taken', '$7', { ownLease: 't.lease_ms' })}
   SELECT a.ordinal, a.again, coalesce(a.able, false) AS able, a.wanted, a.fits, a.granted, ${ATTEMPT}
   FROM allowed a LEFT JOIN taken j ON j.ordinal = a.ordinal`,
  { hot: true },
);

/** A row a job, or one without a job for a part that got none. */
type PartRow = Omit<PartAnswer, 'attempts' | 'full' | 'refused' | 'short'> & {
  ordinal: number;
  wanted: number;
  fits: number;
  granted: number;
} & (AttemptColumns | { id: null });

export type AttemptColumns = Omit<AttemptRow, 'created_at'> & { created_at: Date };

// Its attempts were handed back, so the same claim may be asked again.
const FORGET_CLAIM = statement(
  'ForgetClaim',
  `UPDATE ffmpeg_master.node_counters c SET recent_claim_ids = array_remove(c.recent_claim_ids, $2::uuid)
   WHERE c.node_id = $1`,
  { hot: true },
);

// One probe of the claim's index per lane, whatever waits there. Below a mark that is given it reads nothing:
// under a foreign snapshot all that was ever consumed still stands there.
const LANE_HEADS = `SELECT l.id AS lane_id, h.position AS head
   FROM ffmpeg_master.lanes l
   LEFT JOIN unnest($1::int[], $2::bigint[]) AS mark(lane_id, low_water) ON mark.lane_id = l.id
   CROSS JOIN LATERAL (
     SELECT j.position FROM ffmpeg_master.jobs j
     WHERE j.lane_id = l.id AND j.position >= coalesce(mark.low_water, 0) AND j.status = 'queued' AND NOT j.paused
       AND j.due_at IS NULL
     ORDER BY j.position, j.sequence_number LIMIT 1
   ) h`;

// Not hot: it may take long, and would then keep a connection from the claims.
const READ_LANE_HEADS = statement('ReadLaneHeads', LANE_HEADS, { onePlan: true });

const READ_LANE_HEADS_ABOVE = statement('ReadLaneHeadsAboveMarks', LANE_HEADS, { hot: true });

@Injectable()
export class ClaimRepository {
  constructor(private readonly database: Database) {}

  /** One answer a part, in the order given. */
  async claim(
    offers: readonly LaneOffer[],
    parts: readonly ClaimPart[],
    lease: Milliseconds,
  ): Promise<PartAnswer[]> {
    const rows = await this.database.query<PartRow>(CLAIM_JOBS, [
      offers.map((offer) => offer.lane_id),
      offers.map((offer) => offer.low_water),
      parts.map((part) => part.lane_id),
      parts.map((part) => part.node_id),
      parts.map((part) => part.claim_id),
      parts.map((part) => part.wanted),
      lease,
      parts.length,
      parts.map((part) => part.lease),
    ]);
    return answersOf(parts, rows);
  }

  async forget(node_id: string, claim_id: string): Promise<void> {
    await this.database.query(FORGET_CLAIM, [node_id, claim_id]);
  }

  /** Of each lane with work, its first waiting job. */
  wholeLaneHeads(): Promise<LaneHead[]> {
    return this.database.query<LaneHead>(READ_LANE_HEADS, [[], []]);
  }

  /** The same, of lanes in `marks` the first above the mark. */
  laneHeadsAbove(marks: readonly LaneOffer[]): Promise<LaneHead[]> {
    return this.database.query<LaneHead>(READ_LANE_HEADS_ABOVE, [
      marks.map((mark) => mark.lane_id),
      marks.map((mark) => mark.low_water),
    ]);
  }
}

function answersOf(parts: readonly ClaimPart[], rows: readonly PartRow[]): PartAnswer[] {
  const answers = parts.map((): PartAnswer => ({
    again: false,
    able: false,
    full: false,
    refused: false,
    short: false,
    attempts: [],
  }));
  const granted = new Map<PartAnswer, number>();
  for (const row of rows) {
    const answer = answers[row.ordinal - 1];
    if (!answer) continue;
    answer.again = row.again;
    answer.able = row.able;
    answer.full = row.able && !row.again && row.fits < row.wanted;
    answer.refused = row.granted < row.fits;
    granted.set(answer, row.granted);
    if (row.id !== null) answer.attempts.push(asAttempt(row));
  }
  for (const [answer, slots] of granted) {
    answer.short = answer.attempts.length < slots;
    answer.attempts.sort((a, b) => a.lease_token - b.lease_token);
  }
  return answers;
}

export function asAttempt(row: AttemptColumns): AttemptRow {
  return {
    id: row.id,
    sequence_number: row.sequence_number,
    scenario: row.scenario,
    parameters: row.parameters,
    queue: row.queue,
    priority: row.priority,
    engine: row.engine,
    attempt: row.attempt,
    timeout_seconds: row.timeout_seconds,
    created_at: instantText(row.created_at),
    lease_token: row.lease_token,
    lane_id: row.lane_id,
    position: row.position,
  };
}
