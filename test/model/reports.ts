/**
 * What workers say of their attempts: heartbeats and reports. Once said, it is on its way for ever: it may
 * arrive never, late, or again and again, in any order. A worker that is paused is one that says nothing yet.
 */
import type { Action, Fact } from './facts.js';
import { step } from './facts.js';
import { settle, type Settlement } from './settle.js';
import { isHeld, jobName, workerName, type Attempt, type Row, type Said, type World } from './world.js';

const WORDS: readonly Said[] = ['completed', 'failed', 'released'];

/** A worker dies. What it said may still arrive; whether it would have spoken again nobody may rely on. */
export const die: Action = function* (world) {
  if (world.left.worker_deaths === 0) return;
  for (const [node, { dead }] of world.workers.entries()) {
    if (dead) continue;
    yield step(`${workerName(node)} dies`, world, (next) => {
      next.left.worker_deaths -= 1;
      next.workers[node]!.dead = true;
    });
  }
};

/** The worker makes up its mind. It says one thing of an attempt and repeats that until it is answered. */
export const say: Action = function* (world) {
  for (const [index, attempt] of world.attempts.entries()) {
    if (!attempt.heard || attempt.said !== null || isDead(world, attempt)) continue;
    for (const said of WORDS) {
      yield step(`${workerName(attempt.node)} sends that ${nameOf(attempt)} is ${said}`, world, (next) => {
        next.attempts[index]!.said = said;
      });
    }
  }
};

/** ReportAttempts with FindReportedJobs behind it: a report arrives. */
export const report: Action = function* (world, { rules, bounds }) {
  for (const [index, attempt] of world.attempts.entries()) {
    const { said } = attempt;
    if (said === null) continue;
    const row = world.jobs[attempt.job]?.live;
    const found = row && isHeld(row) && isFenced(rules.reportToken, attempt, row) ? row : undefined;
    const lease = world.leases.findIndex(
      (one) =>
        one.job === attempt.job &&
        isFenced(rules.reportToken, attempt, one) &&
        (one.revoked || found !== undefined),
    );
    const outcome = found
      ? 'accepted'
      : rules.secondLookUp && isReported(world, attempt)
        ? 'duplicate'
        : 'stale';
    const label = `the report that ${nameOf(attempt)} is ${said} arrives: ${outcome}`;
    if (!found && lease < 0) {
      yield { label, next: world, facts: [{ kind: 'reported', by: index, outcome }] };
      continue;
    }
    yield step(label, world, (next, facts) => {
      facts.push({ kind: 'reported', by: index, outcome });
      if (lease >= 0) {
        facts.push({ kind: 'effect', by: index, on: next.leases[lease]!.attempt });
        next.leases.splice(lease, 1);
      }
      if (found) end(next, index, said, found, bounds, facts);
    });
  }
};

/** The CTEs `judged` and `ended`. */
function end(
  next: World,
  index: number,
  said: Said,
  row: Row,
  { max_releases, max_retries }: { max_releases: number; max_retries: number },
  facts: Fact[],
): void {
  const attempt = next.attempts[index]!;
  const released = said === 'released' && row.releases < max_releases;
  const final = row.failures >= max_retries;
  const [to, event]: [Settlement['to'], Settlement['event']] =
    said === 'completed'
      ? ['completed', 'completed']
      : released
        ? ['queued', 'released']
        : final
          ? ['failed', 'failed']
          : ['retrying', 'retrying'];
  facts.push({ kind: 'effect', by: index, on: row.attempt });
  attempt.accepted = true;
  const ending = said === 'released' && !released ? 'failed' : said;
  const change = {
    failures: row.failures + (released ? 0 : 1),
    releases: said === 'released' ? row.releases + 1 : 0,
    retry_count: row.retry_count + (to === 'retrying' ? 1 : 0),
    reported_token: row.token,
    reported_as: said,
  };
  settle(next, attempt.job, { to, event, ending, change }, facts);
}

/** ExtendLeases and StartAttempts: a heartbeat arrives, of now or of long ago. Beats are not counted. */
export const heartbeat: Action = function* (world, { rules }) {
  for (const [index, attempt] of world.attempts.entries()) {
    if (!attempt.heard || isDead(world, attempt)) continue;
    const lease = world.leases.findIndex(
      (one) => one.job === attempt.job && isFenced(rules.heartbeatToken, attempt, one) && !one.revoked,
    );
    const row = world.jobs[attempt.job]?.live;
    const starts = row?.status === 'assigned' && isFenced(rules.heartbeatToken, attempt, row);
    if (!(lease >= 0 && world.leases[lease]!.expired) && !starts) continue;
    yield step(`a heartbeat for ${nameOf(attempt)} arrives`, world, (next, facts) => {
      if (lease >= 0) {
        facts.push({ kind: 'effect', by: index, on: next.leases[lease]!.attempt });
        next.leases[lease]!.expired = false;
      }
      if (starts) {
        facts.push(
          { kind: 'effect', by: index, on: row.attempt },
          { kind: 'event', job: attempt.job, from: 'assigned', to: 'running', event: 'started' },
        );
        next.jobs[attempt.job]!.live!.status = 'running';
      }
    });
  }
};

/** The fence of a worker's write: job, token, node. */
function isFenced(
  byToken: boolean,
  attempt: Attempt,
  at: { node: number | null; token: number | null },
): boolean {
  return at.node === attempt.node && (!byToken || at.token === attempt.token);
}

function isDead({ workers }: World, { node }: Attempt): boolean {
  return workers[node]!.dead;
}

/** FindReportedJobs, and the same of history. */
function isReported(world: World, { job, token, said }: Attempt): boolean {
  const row = world.jobs[job]?.live ?? world.jobs[job]?.archived;
  return row?.reported_token === token && row.reported_as === said;
}

function nameOf({ job, token }: Attempt): string {
  return `${jobName(job)}, token ${token},`;
}
