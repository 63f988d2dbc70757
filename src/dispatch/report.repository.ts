import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement, type Statement } from '../database/statement.js';
import { lowerCounters, settle, SETTLED_COLUMNS } from '../jobs/settle.sql.js';
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
  /** Place in the input, from 1. */
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

interface EndingOptions {
  /** Further columns of jobs, each behind a comma. */
  readonly job?: string;
  /** Further columns of leases, each before a comma. */
  readonly held?: string;
  /** Which of the leases `h` that were found end; `found` are the jobs. */
  readonly lease: string;
  /** Whether a job ends without its lease. */
  readonly join: 'JOIN' | 'LEFT JOIN';
}

// Fenced by the tuple (job, token, node). Locks jobs, then leases, then counters, each by key. What is
// not accepted here may have been accepted before: a second statement, with a snapshot of its own, tells.
// Jobs and leases are looked up one by one (LATERAL), so that their number is estimated by the input's and
// what joins them is hashed: estimated as one row they were joined in loops (310 µs a job against 15). What is deleted is
// named by an array, of which the planner expects ten: joined, a plan made while a table was small read it all.
// `revoked` is judged after the lock: a cancel that commits while this waits has just revoked the lease, and
// the slot would stay taken until that lease ends.
function endAttempts({ job = '', held = '', lease, join }: EndingOptions): string {
  return `WITH input AS MATERIALIZED (
     SELECT generate_series(1, (SELECT $11::int)) AS ordinal, unnest($1::uuid[]) AS node_id, unnest($2::uuid[]) AS job_id,
            unnest($3::bigint[]) AS lease_token, unnest($4::text[]) AS status, unnest($5::jsonb[]) AS result,
            unnest($6::text[]) AS error, unnest($7::text[]) AS failure_reason, unnest($8::boolean[]) AS permanent,
            unnest($9::float8[]) AS jitter, unnest($10::text[]) AS actor
   ),
   item AS MATERIALIZED (
     SELECT DISTINCT ON (i.job_id, i.lease_token, i.node_id) i.* FROM input i
     ORDER BY i.job_id, i.lease_token, i.node_id, i.ordinal
   ),
   found AS MATERIALIZED (
     SELECT j.*, i.ordinal, i.status AS reported, i.result AS sent_result, i.error AS sent_error,
            i.failure_reason AS sent_reason, i.permanent, i.jitter, i.actor
     FROM (SELECT * FROM item ORDER BY job_id) i
     CROSS JOIN LATERAL (
       SELECT j.id, j.status, j.lane_id, j.paused, j.max_retries, j.failures, j.releases, j.retry_count,
              ${SETTLED_COLUMNS}${job}
       FROM ffmpeg_master.jobs j
       WHERE j.id = i.job_id AND j.lease_token = i.lease_token AND j.node_id = i.node_id
         AND CASE WHEN j.status IN ('assigned', 'running') THEN true END
       FOR UPDATE
     ) j
   ),
   held AS MATERIALIZED (
     SELECT l.lease_token, l.queue, l.node_id, l.progress, l.revoked, ${held}i.ordinal
     FROM (SELECT * FROM item WHERE (SELECT count(*) FROM found) >= 0 ORDER BY lease_token) i
     CROSS JOIN LATERAL (
       SELECT l.* FROM ffmpeg_master.leases l
       WHERE l.lease_token = i.lease_token AND CASE WHEN l.job_id = i.job_id THEN l.node_id = i.node_id END
       LIMIT 1 FOR UPDATE
     ) l
   ),
   lease AS MATERIALIZED (
     SELECT h.* FROM held h WHERE ${lease}
   ),
   judged AS (
     SELECT f.*,
            CASE WHEN f.reported IN ('completed', 'canceled') THEN f.reported
                 WHEN f.reported = 'released' AND f.releases < ${MAX_RELEASES} THEN 'queued'
                 WHEN f.permanent OR f.failures >= f.max_retries THEN 'failed'
                 ELSE 'retrying' END AS next_status,
            coalesce(l.progress, 0) AS next_progress
     FROM found f ${join} lease l ON l.lease_token = f.lease_token
   ),
   ended AS MATERIALIZED (
     SELECT g.*,
            CASE WHEN g.next_status = 'retrying'
                 THEN now() + ($12::float8[])[least(g.failures + 1, cardinality($12::float8[]))] * g.jitter
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
     DELETE FROM ffmpeg_master.leases l WHERE l.lease_token = ANY (ARRAY(SELECT k.lease_token FROM lease k))
     RETURNING l.queue, l.node_id, l.lease_token
   ),
   ${lowerCounters('freed')}
   SELECT i.ordinal, e.id IS NOT NULL AS accepted, k.queue, e.lane_id,
          CASE WHEN e.next_status NOT IN ('queued', 'retrying') THEN e.queue END AS finished,
          coalesce(e.next_status = 'queued' AND NOT e.paused, false) AS waiting, e.next_due_at AS due_at
   FROM input i
   LEFT JOIN ended e ON e.ordinal = i.ordinal
   LEFT JOIN lease k ON k.ordinal = i.ordinal`;
}

const REPORT_ATTEMPTS = statement(
  'ReportAttempts',
  endAttempts({
    lease: 'h.revoked OR h.lease_token IN (SELECT f.lease_token FROM found f)',
    join: 'LEFT JOIN',
  }),
  { hot: true },
);

// Of a claim whose answer nobody got. A worker that asked for it again elsewhere runs these very attempts: its answer
// moved the lease's assigned_at (AnswerAgain), which is the job's for as long as nobody has heard of it. What was
// touched in another way (a resume, a cancel) is left to its lease, too.
const TAKE_BACK_ATTEMPTS = statement(
  'TakeBackAttempts',
  endAttempts({
    job: ', j.assigned_at',
    held: 'l.assigned_at, ',
    lease: `NOT h.revoked AND EXISTS (
       SELECT FROM found f
       WHERE f.lease_token = h.lease_token AND f.status = 'assigned' AND f.assigned_at = h.assigned_at)`,
    join: 'JOIN',
  }),
);

const FIND_REPORTED_LIVE = statement(
  'FindReportedJobs',
  `SELECT j.id, j.reported_token, j.reported_as FROM ffmpeg_master.jobs j WHERE j.id = ANY($1::uuid[])`,
  { hot: true },
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
    return this.end(REPORT_ATTEMPTS, items, backoff);
  }

  /** The same, for attempts that nobody heard of: all others are left alone, and not `accepted`. */
  takeBack(items: readonly ReportItem[], backoff: readonly number[]): Promise<ReportedItem[]> {
    return this.end(TAKE_BACK_ATTEMPTS, items, backoff);
  }

  /** The last accepted report of live jobs. */
  findReported(job_ids: readonly string[]): Promise<ReportedJob[]> {
    return this.database.query<ReportedJob>(FIND_REPORTED_LIVE, [job_ids]);
  }

  private end(
    ending: Statement,
    items: readonly ReportItem[],
    backoff: readonly number[],
  ): Promise<ReportedItem[]> {
    return this.database.query<ReportedItem>(ending, [
      items.map((item) => item.node_id),
      items.map((item) => item.job_id),
      items.map((item) => item.lease_token),
      items.map((item) => item.status),
      items.map((item) => (item.result == null ? null : JSON.stringify(item.result))),
      items.map((item) => item.error),
      items.map((item) => item.failure_reason),
      items.map((item) => item.permanent),
      items.map((item) => item.jitter),
      items.map((item) => item.actor),
      items.length,
      backoff,
    ]);
  }
}
