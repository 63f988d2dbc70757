/** The history, read by attempt: when each lease was handed out, how long it was believed in, what ended it. */
import type { Operation } from '../rig/history.js';
import { groupBy, type Evidence } from './evidence.js';

export type AttemptSources = Pick<Evidence, 'operations' | 'events'>;

/** A lease as an answer named it. */
export interface HandOut {
  readonly job_id: string;
  readonly lease_token: number;
  readonly node_id: string;
  readonly claim_id: string;
  readonly begin: number;
  readonly end: number;
  readonly lease_seconds: number;
}

export interface Attempt {
  readonly job_id: string;
  readonly lease_token: number;
  /** In the order of their ends; more than one where a claim was repeated. */
  readonly handOuts: readonly HandOut[];
  /**
   * Until when its worker might go on: lease seconds counted from the moment a request was sent that was answered, or
   * until it first asked for the end of the attempt, was told that it is lost, or the job was canceled.
   */
  readonly believedUntil: number;
}

export function handOutsOf(operations: readonly Operation[]): HandOut[] {
  const found: HandOut[] = [];
  for (const one of operations) {
    if ((one.kind !== 'claim' && one.kind !== 'report') || one.end === undefined) continue;
    for (const { job_id, lease_token, lease_seconds } of one.handed) {
      const { node_id, claim_id = '', begin, end } = one;
      found.push({ job_id, lease_token, node_id, claim_id, begin, end, lease_seconds });
    }
  }
  return found.sort((a, b) => a.end - b.end);
}

/** The attempts of each job, in the order of their tokens. */
export function attemptsOf({ operations, events }: AttemptSources): Map<string, Attempt[]> {
  // The leader ended these: their workers learn of it at their next heartbeat, which is as promised.
  const timedOut = new Set(
    events.filter(({ type }) => type === 'timed_out').map(({ lease_token }) => lease_token),
  );
  const believed = new Map<number, number>();
  const endings = new Map<number, number>();
  const cancels = new Map<string, number[]>();
  const believe = (token: number, until: number) =>
    believed.set(token, Math.max(believed.get(token) ?? -Infinity, until));
  const endsBy = (token: number, at: number) =>
    endings.set(token, Math.min(endings.get(token) ?? Infinity, at));
  const handOuts = handOutsOf(operations).filter(({ lease_token }) => !timedOut.has(lease_token));
  const byToken = groupBy(handOuts, ({ lease_token }) => lease_token);
  for (const [token, handOuts] of byToken)
    for (const { begin, lease_seconds } of handOuts) believe(token, begin + lease_seconds * 1000);
  for (const one of operations) {
    if (one.kind === 'heartbeat' && one.end !== undefined) {
      for (const { lease_token, lease, lease_seconds = 0 } of one.attempts) {
        if (lease === 'extended') believe(lease_token, one.begin + lease_seconds * 1000);
        else if (lease === 'lost') endsBy(lease_token, one.begin);
      }
    } else if (one.kind === 'report') {
      for (const { lease_token } of one.results) endsBy(lease_token, one.begin);
    } else if (one.kind === 'cancel') {
      cancels.set(one.job_id, [...(cancels.get(one.job_id) ?? []), one.begin]);
    }
  }
  const attempts = [...byToken].map(([lease_token, handOuts]) => {
    const job_id = handOuts[0]?.job_id ?? '';
    const canceled = (cancels.get(job_id) ?? []).filter((at) => at > (handOuts[0]?.begin ?? 0));
    const believedUntil = Math.min(
      believed.get(lease_token) ?? -Infinity,
      endings.get(lease_token) ?? Infinity,
      ...canceled,
    );
    return { job_id, lease_token, handOuts, believedUntil };
  });
  attempts.sort((a, b) => a.lease_token - b.lease_token);
  return groupBy(attempts, ({ job_id }) => job_id);
}
