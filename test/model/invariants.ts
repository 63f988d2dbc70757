/**
 * What must hold of each step and each state, by the ids of docs/test-plan.md. `claim id` and `repeat` are the
 * promises of F24: a claim id is answered with new attempts once, a repeated report is told so.
 */
import { isLegal } from '../../src/jobs/state-machine.js';
import type { Step, Violation } from './explorer.js';
import type { Fact } from './facts.js';
import type { Bounds } from './rules.js';
import { isHeld, jobName, type World } from './world.js';

const NONE: Violation[] = [];

export function judgeStep(before: World, { next, facts }: Step<World, Fact>): Violation[] {
  if (facts.length === 0) return NONE;
  const found: Violation[] = [];
  const expect = (holds: boolean, id: string, message: string): void => {
    if (!holds) found.push({ id, message });
  };
  for (const [index, fact] of facts.entries()) {
    if (fact.kind === 'event') {
      const { from, to, event } = fact;
      expect(isLegal(from, to, event), 'I5', `${from} to ${to} by ${event} is no edge`);
    } else if (fact.kind === 'given') {
      const { job, node, claim, token } = next.attempts[fact.attempt]!;
      const earlier = next.attempts.slice(0, fact.attempt);
      const last = Math.max(0, ...earlier.filter((one) => one.job === job).map((one) => one.token));
      expect(token > last, 'I2', `token ${token} was given after token ${last}`);
      const again = earlier.some((one) => one.node === node && one.claim === claim);
      expect(!again, 'claim id', 'one claim id was answered with two attempts');
    } else if (fact.kind === 'ended') {
      const twice = facts.slice(0, index).some((one) => one.kind === 'ended' && one.attempt === fact.attempt);
      expect(before.attempts[fact.attempt]!.end === null && !twice, 'I6', 'an attempt ended twice');
    } else if (fact.kind === 'effect') {
      expect(
        fact.by === fact.on,
        'I3',
        `what attempt ${fact.by + 1} said changed attempt ${(fact.on ?? -1) + 1}`,
      );
    } else if (fact.kind === 'reported') {
      const known = isLastAccepted(before, fact.by);
      expect(
        fact.outcome !== 'accepted' || !before.attempts[fact.by]!.accepted,
        'I3',
        'a report was accepted twice',
      );
      expect(
        (fact.outcome === 'duplicate') === known,
        'repeat',
        `a repeated report was told ${fact.outcome}`,
      );
    } else if (fact.kind === 'term') {
      const { highest_epoch } = before;
      expect(fact.epoch > highest_epoch, 'I4', `epoch ${fact.epoch} began after epoch ${highest_epoch}`);
    } else {
      const late = `a write of term ${fact.ordinal} was committed in term ${before.terms}`;
      expect(fact.ordinal === before.terms, 'I4 write', late);
    }
  }
  return found;
}

export function judgeState(world: World, bounds: Bounds): Violation[] {
  return [...world.jobs.keys()].flatMap((job) => judgeJob(world, job, bounds));
}

function judgeJob(
  { jobs, leases, attempts }: World,
  job: number,
  { max_retries, max_releases }: Bounds,
): Violation[] {
  const found: Violation[] = [];
  const expect = (holds: boolean, id: string, message: string): void => {
    if (!holds) found.push({ id, message: `${jobName(job)}: ${message}` });
  };
  const { live, archived } = jobs[job]!;
  const row = live ?? archived;
  expect((live === null) !== (archived === null), 'I1', 'it is in no place, or in two');

  const valid = leases.filter((lease) => lease.job === job && !lease.expired && !lease.revoked);
  expect(valid.length <= 1, 'I2', `it has ${valid.length} unexpired leases`);

  const own = attempts.filter((attempt) => attempt.job === job);
  const last = own.at(-1);
  const result = archived?.status === 'completed';
  expect(
    !result || (last?.accepted === true && last.said === 'completed'),
    'I3',
    'its result is not of the last token',
  );

  const counted = own.filter(({ era, end }) => era === row?.era && end !== null && end !== 'released').length;
  expect(counted <= max_retries + 1, 'I6', `${counted} attempts were counted`);
  let inARow = 0;
  for (const { end, era } of own) {
    inARow = end === 'released' && era === row?.era ? inARow + 1 : 0;
    expect(inARow <= max_releases, 'I6', `it was released ${inARow} times in a row`);
  }
  for (const attempt of own) {
    const current = live !== null && isHeld(live) && live.attempt === attempts.indexOf(attempt);
    expect(
      current === (attempt.end === null),
      'I6',
      `token ${attempt.token} has no ending, or one too early`,
    );
  }
  return found;
}

/** Whether a repeat of this attempt's report is that of the last one accepted of its job. */
function isLastAccepted({ attempts }: World, index: number): boolean {
  const { job, accepted } = attempts[index]!;
  return accepted && !attempts.slice(index + 1).some((later) => later.job === job && later.accepted);
}
