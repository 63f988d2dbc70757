import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import { lowerCounters, settle } from '../jobs/settle.sql.js';
import type { ReportStatus } from '../protocol/report.js';

/** One result of one attempt, as a member of a group. */
export interface ReportItem {
  node_id: string;
  job_id: string;
  lease_token: number;
  status: ReportStatus;
  result: unknown;
  error: string | null;
  failure_reason: string | null;
  /** Another attempt cannot mend it. */
  permanent: boolean;
  /** Factor of the backoff, at most 1. */
  jitter: number;
  actor: string | null;
}

export interface ReportedItem {
  /** Place in the input, from 0. */
  ordinal: number;
  /** The report ended the attempt. */
  accepted: boolean;
  /** A slot of the node was freed by it. */
  queue: string | null;
  lane_id: number | null;
  /** The job's queue, where the report ended the job for good. */
  finished: string | null;
  /** The job waits again. */
  waiting: boolean;
  due_at: Date | null;
}

/** Releases in a row; the next one counts as a failure, or a job that no worker keeps would go round for ever. */
export const MAX_RELEASES = 20;

// Fenced by the tuple (job, token, node). Locks jobs, then leases, then counters, each by key. What is
// not accepted here may have been accepted before: a second statement, with a snapshot of its own, tells.
// `revoked` is judged after the lock: a cancel that commits while this waits has just revoked the lease, and
// the slot would stay taken until that lease ends.
const REPORT_ATTEMPTS = statement(
  'ReportAttempts',
  `WITH input AS MATERIALIZED (
     SELECT * FROM json_to_recordset($1::json)
       AS i(ordinal int, node_id uuid, job_id uuid, lease_token bigint, status text, result jsonb, error text,
            failure_reason text, permanent boolean, jitter float8, actor text)
   ),
   found AS MATERIALIZED (
     SELECT j.*, i.ordinal, i.status AS reported, i.result AS sent_result, i.error AS sent_error,
            i.failure_reason AS sent_reason, i.permanent, i.jitter, i.actor
     FROM ffmpeg_master.jobs j
     JOIN (SELECT DISTINCT ON (job_id, lease_token, node_id) * FROM input
           ORDER BY job_id, lease_token, node_id, ordinal) i
       ON i.job_id = j.id AND i.lease_token = j.lease_token AND i.node_id = j.node_id
     WHERE j.id = ANY($2::uuid[]) AND CASE WHEN j.status IN ('assigned', 'running') THEN true END
     ORDER BY j.id FOR UPDATE OF j
   ),
   held AS MATERIALIZED (
     SELECT l.lease_token, l.queue, l.node_id, l.progress, l.revoked, i.ordinal
     FROM ffmpeg_master.leases l
     JOIN input i ON i.lease_token = l.lease_token AND i.job_id = l.job_id AND i.node_id = l.node_id
     WHERE l.lease_token = ANY($3::bigint[]) AND (SELECT count(*) FROM found) >= 0
     ORDER BY l.lease_token FOR UPDATE OF l
   ),
   lease AS MATERIALIZED (
     SELECT h.* FROM held h WHERE h.revoked OR h.lease_token IN (SELECT f.lease_token FROM found f)
   ),
   judged AS MATERIALIZED (
     SELECT f.*,
            CASE WHEN f.reported IN ('completed', 'canceled') THEN f.reported
                 WHEN f.reported = 'released' AND f.releases < ${MAX_RELEASES} THEN 'queued'
                 WHEN f.permanent OR f.failures >= f.max_retries THEN 'failed'
                 ELSE 'retrying' END AS next_status,
            coalesce((SELECT l.progress FROM lease l WHERE l.lease_token = f.lease_token LIMIT 1), 0) AS next_progress
     FROM found f
   ),
   ended AS MATERIALIZED (
     SELECT g.*,
            CASE WHEN g.next_status = 'retrying'
                 THEN now() + ($4::float8[])[least(g.failures + 1, cardinality($4::float8[]))] * g.jitter
                            * interval '1 millisecond' END AS next_due_at,
            g.failures + (g.next_status <> 'queued')::int AS next_failures,
            CASE WHEN g.reported = 'released' THEN g.releases + 1 ELSE 0 END AS next_releases,
            g.retry_count + (g.next_status = 'retrying')::int AS next_retry_count,
            CASE WHEN g.next_status IN ('completed', 'queued') THEN NULL
                 WHEN g.reported = 'released' THEN coalesce(g.sent_error, 'It was handed back too often.')
                 ELSE g.sent_error END AS next_error,
            CASE WHEN g.next_status NOT IN ('failed', 'retrying') THEN NULL
                 WHEN g.reported = 'released' THEN 'platform_error'
                 ELSE coalesce(g.sent_reason, 'runtime_error') END AS next_failure_reason,
            g.lease_token AS next_reported_token, g.reported AS next_reported_as, g.sent_result AS next_result,
            false AS timed_out,
            CASE WHEN g.next_status = 'queued' THEN 'released' ELSE g.next_status END AS event_type,
            g.actor AS event_actor
     FROM judged g
   ),
   ${settle('ended')},
   freed AS (
     DELETE FROM ffmpeg_master.leases l USING lease k WHERE l.lease_token = k.lease_token
     RETURNING l.queue, l.node_id, l.lease_token
   ),
   ${lowerCounters('freed')}
   SELECT i.ordinal, e.id IS NOT NULL AS accepted, k.queue, e.lane_id,
          CASE WHEN e.next_status NOT IN ('queued', 'retrying') THEN e.queue END AS finished,
          coalesce(e.next_status = 'queued' AND NOT e.paused, false) AS waiting, e.next_due_at AS due_at
   FROM input i
   LEFT JOIN ended e ON e.ordinal = i.ordinal
   LEFT JOIN lease k ON k.ordinal = i.ordinal`,
);

const FIND_REPORTED_LIVE = statement(
  'FindReportedJobs',
  `SELECT j.id, j.reported_token, j.reported_as FROM ffmpeg_master.jobs j WHERE j.id = ANY($1::uuid[])`,
);

export interface ReportedJob {
  id: string;
  reported_token: number | null;
  reported_as: string | null;
}

@Injectable()
export class ReportRepository {
  constructor(private readonly database: Database) {}

  /** `backoff`: the delay before retry 1, 2, … in milliseconds. One row an item. */
  report(items: readonly ReportItem[], backoff: readonly number[]): Promise<ReportedItem[]> {
    return this.database.query<ReportedItem>(REPORT_ATTEMPTS, [
      JSON.stringify(items.map((item, ordinal) => ({ ordinal, ...item }))),
      items.map((item) => item.job_id),
      items.map((item) => item.lease_token),
      backoff,
    ]);
  }

  /** The last accepted report of live jobs. */
  findReported(job_ids: readonly string[]): Promise<ReportedJob[]> {
    return this.database.query<ReportedJob>(FIND_REPORTED_LIVE, [job_ids]);
  }
}
