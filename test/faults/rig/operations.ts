/** What a call of the worker protocol is in the history: by those who send it themselves, and by who only looks on. */
import type { ClaimAnswer, ClaimedAttempt } from '../../../src/protocol/claim.js';
import type { HeartbeatAnswer } from '../../../src/protocol/heartbeat.js';
import type { ReportAnswer } from '../../../src/protocol/report.js';
import type { Claim, Handed, Heartbeat, Report } from './history.js';

/** An answer of a master. */
export interface Reply<Body> {
  readonly status: number;
  readonly body: Body;
  readonly url: string;
}

/** A call of a node's, with its answer as soon as it is there; undefined where nobody answered. */
export interface NodeCall<Body> {
  readonly by: string;
  /** Milliseconds of `performance.now()`. */
  readonly begin: number;
  readonly node_id: string;
  readonly reply: Reply<Body> | undefined;
}

export function claimOperation(call: NodeCall<ClaimAnswer>, claim_id: string): Claim {
  const { reply } = call;
  return {
    kind: 'claim',
    ...common(call),
    claim_id,
    handed: handedBy(reply),
    ...(reply && { at: reply.url }),
  };
}

export function heartbeatOperation(
  call: NodeCall<HeartbeatAnswer>,
  attempts: readonly { job_id: string; lease_token: number }[],
): Heartbeat {
  const answers = call.reply?.status === 200 ? call.reply.body.attempts : [];
  return {
    kind: 'heartbeat',
    ...common(call),
    attempts: attempts.map(({ job_id, lease_token }, k) => {
      const answer = answers[k];
      if (answer === undefined) return { job_id, lease_token };
      return { job_id, lease_token, lease: answer.lease, lease_seconds: answer.lease_seconds };
    }),
  };
}

export function reportOperation(
  call: NodeCall<ReportAnswer>,
  results: readonly { job_id: string; lease_token: number; status: string; failure_reason?: string | null }[],
  claim?: { claim_id: string },
): Report {
  const { reply } = call;
  const answers = reply?.status === 200 ? reply.body.results : [];
  return {
    kind: 'report',
    ...common(call),
    results: results.map(({ job_id, lease_token, status, failure_reason }, k) => {
      const outcome = answers[k]?.outcome;
      return {
        job_id,
        lease_token,
        status,
        ...(failure_reason && { failure_reason }),
        ...(outcome && { outcome }),
      };
    }),
    ...(claim && { claim_id: claim.claim_id }),
    handed: handedBy(reply),
    ...(reply && { at: reply.url }),
  };
}

/** What `end` and `status` of an operation are: a 503 or 500 leaves open whether it was carried out. */
export function ended(reply: Reply<unknown> | undefined): { end?: number; status?: number } {
  if (reply === undefined) return {};
  return { status: reply.status, ...(reply.status < 500 && { end: performance.now() }) };
}

function common({ by, begin, node_id, reply }: NodeCall<unknown>): {
  by: string;
  begin: number;
  node_id: string;
  end?: number;
} {
  return { by, begin, ...ended(reply), node_id };
}

function handedBy(reply: Reply<{ jobs: ClaimedAttempt[] }> | undefined): Handed[] {
  if (reply?.status !== 200) return [];
  return reply.body.jobs.map(({ job, lease_token, lease_seconds }) => ({
    job_id: job.id,
    lease_token,
    lease_seconds,
  }));
}
