/**
 * What reports were told, against what attempts became by the log. Who was told that a report counts (`accepted`, or
 * `duplicate` of one that did) finds its event; who was told that it is `stale` finds none of its making.
 */
import { PERMANENT_FAILURE_REASONS } from '../../../src/protocol/failure-reason.js';
import type { Operation, Report } from '../rig/history.js';
import { handOutsOf } from './attempts.js';
import { endingsOf, MOST_RELEASES, type Ending } from './endings.js';
import { groupBy, operationsOf, violation, type Evidence, type Violation } from './evidence.js';

type Result = Report['results'][number];

/** Of I1: the event that a report left which counts is there, and is the one that it had to leave. */
export function lostReports({ operations, events, jobs }: Evidence): Violation[] {
  const found: Violation[] = [];
  const endings = endingsOf(events);
  const told = toldResults(operations);
  const retries = new Map(jobs.map(({ id, max_retries }) => [id, max_retries]));
  const handedBack = new Set(
    told
      .filter(({ result }) => result.status === 'released' && result.outcome !== 'stale')
      .map(({ result }) => key(result)),
  );
  for (const { result } of told) {
    const { job_id, lease_token, status, outcome } = result;
    if (outcome !== 'accepted' && outcome !== 'duplicate') continue;
    const report = `the ${outcome} report (${status}) of job ${job_id}, token ${lease_token},`;
    const left = endings.get(key(result)) ?? [];
    if (left.length === 0) found.push(violation('I1', `${report} left no event`));
    const due = left.map((ending) => dueOf(result, ending, retries.get(job_id), handedBack));
    if (left.length > 0 && !left.some(({ event }, k) => due[k]?.includes(event.type)))
      found.push(violation('I1', `${report} left ${left[0]?.event.type}, not ${due[0]?.join(' or ')}`));
  }
  return found;
}

/**
 * Of I3: who was told `stale` ended nothing. A first report may be a `duplicate`: its master asked the database again when
 * an answer was lost. If a later attempt was reported meanwhile, the repeat is `stale`, so the last ending alone tells.
 */
export function falseAnswers({ operations, events }: Evidence): Violation[] {
  const found: Violation[] = [];
  const endings = endingsOf(events);
  const last = new Map([...endings.values()].flat().map(({ event }) => [event.job_id, event.n]));
  const told = groupBy(toldResults(operations), ({ result }) => key(result));
  const canceled = groupBy(operationsOf(operations, 'cancel'), ({ job_id }) => job_id);
  // Of workers that write no history nobody knows what they reported.
  const known = new Set(handOutsOf(operations).map(key));
  for (const [attempt, all] of told) {
    if (!known.has(attempt)) continue;
    for (const { result, operation } of all) {
      const { job_id, lease_token, status, outcome } = result;
      if (outcome !== 'stale') continue;
      const before = operation.end ?? Infinity;
      const left = endings.get(attempt)?.find(({ event }) => LEFT_BY[status]?.includes(event.type))?.event;
      if (!left || left.n !== last.get(job_id)) continue;
      const another =
        all.some((one) => one.result !== result && mayHaveLeft(one, left.type)) ||
        (status === 'canceled' && (canceled.get(job_id) ?? []).some((one) => mayCount(one, before))) ||
        // The master took back what a lost answer had handed out.
        left.actor === 'master';
      if (!another)
        found.push(
          violation(
            'I3',
            `a report (${status}) of job ${job_id}, token ${lease_token}, was told stale and left ${left.type}`,
          ),
        );
    }
  }
  return found;
}

interface Told {
  readonly result: Result;
  readonly operation: Report;
}

/** The events that a report may leave. */
const LEFT_BY: Readonly<Record<string, readonly string[]>> = {
  completed: ['completed'],
  canceled: ['canceled'],
  failed: ['failed', 'retrying'],
  released: ['released', 'failed', 'retrying'],
};

function toldResults(operations: readonly Operation[]): Told[] {
  return operationsOf(operations, 'report').flatMap((operation) =>
    operation.results.map((result) => ({ result, operation })),
  );
}

/** The types of event of which such a report of this attempt had to leave one. */
function dueOf(
  { status, failure_reason }: Result,
  { failures, row }: Ending,
  max_retries: number | undefined,
  handedBack: ReadonlySet<string>,
): readonly string[] {
  if (status === 'completed' || status === 'canceled') return [status];
  if (status === 'released') {
    // A release that counted as a failure counts in the row, too: so do those that follow it.
    const other = row.findLastIndex((event) => event.type !== 'released' && !handedBack.has(key(event)));
    if (row.length - 1 - other < MOST_RELEASES) return ['released'];
  }
  if (max_retries === undefined) return ['failed', 'retrying'];
  const permanent = (PERMANENT_FAILURE_REASONS as readonly (string | undefined)[]).includes(failure_reason);
  return permanent || failures >= max_retries ? ['failed'] : ['retrying'];
}

/** Whether it may be this one that left an event of the type. */
function mayHaveLeft({ result, operation }: Told, type: string): boolean {
  const counts =
    result.outcome === 'accepted' || result.outcome === 'duplicate' || operation.end === undefined;
  return counts && LEFT_BY[result.status]?.includes(type) === true;
}

/** Whether an owner's request may have been carried out, and before then. */
function mayCount({ begin, end, status = 500 }: Operation & { status?: number }, before: number): boolean {
  return begin < before && (end === undefined || status < 300);
}

function key({ job_id, lease_token }: { job_id: string; lease_token: number | null }): string {
  return `${job_id} ${lease_token}`;
}
