import { describe, expect, it } from 'vitest';
import { effort } from '../faults/selection.js';
import { explore, type Exploration } from './explorer.js';
import { system } from './model.js';
import { REAL_RULES, type Bounds, type Rules } from './rules.js';

const SMALLEST: Bounds = {
  jobs: 1,
  workers: 2,
  masters: 1,
  max_retries: 0,
  max_releases: 0,
  claims_in_flight: 2,
  leader_losses: 0,
  database_crashes: 0,
  worker_deaths: 0,
  cancels: 0,
  explicit_retries: 0,
  abandoned_claims: 0,
};

const LEADER_LOST: Partial<Bounds> = { masters: 2, leader_losses: 1, max_retries: 1 };

/** Each wide in one direction: all at once would be billions of states. */
const SCENES: [title: string, bounds: Partial<Bounds>][] = [
  ['a job that fails, is handed back and falls silent', { max_retries: 1, max_releases: 1 }],
  ['a job that is canceled and retried', { cancels: 1, explicit_retries: 1 }],
  ['claims that are given up and arrive all the same', { max_retries: 1, abandoned_claims: 1 }],
  ['a worker that dies', { max_retries: 1, worker_deaths: 1 }],
  ['two jobs', { jobs: 2, claims_in_flight: 1 }],
  ['a leader that is lost', LEADER_LOST],
  ['two leaders that are lost, and a crash of the database', losses(2)],
];
const WIDER_SCENES: typeof SCENES = [
  ['a leader that is lost, and a crash of the database', { ...LEADER_LOST, database_crashes: 1 }],
  ['a job that is handed back, canceled and retried', { max_releases: 1, cancels: 1, explicit_retries: 1 }],
];

function losses(leader_losses: number): Partial<Bounds> {
  return { masters: 2, leader_losses, database_crashes: 1 };
}

function explored(
  bounds: Partial<Bounds>,
  off: Partial<Rules> = {},
  sought?: readonly string[],
): Exploration {
  const model = { rules: { ...REAL_RULES, ...off }, bounds: { ...SMALLEST, ...bounds } };
  return explore(system(model), sought && { sought });
}

describe('the real rules, in every reachable state', () => {
  const scenes = effort() === 'brief' ? SCENES : [...SCENES, ...WIDER_SCENES];

  it.each(scenes)('keep I1, I2, I3, I4, I5, I6 and F24: %s', { timeout: 240_000 }, (title, bounds) => {
    const { states, transitions, facts, found } = explored(bounds);
    process.stdout.write(`model: ${title}: ${states} states, ${transitions} transitions\n`);
    expect(found).toBeUndefined();
    // Nothing is shown by a world in which nothing happens.
    expect(states).toBeGreaterThan(5_000);
    expect(transitions).toBeGreaterThan(20_000);
    for (const kind of ['event', 'given', 'ended', 'effect', 'reported', 'term', 'duty'])
      expect(facts.get(kind), kind).toBeGreaterThan(50);
  });

  it('need the fence of the epoch for I4 alone: all else holds by the state of the rows (ADR 0003)', () => {
    const all = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'claim id', 'repeat'];
    expect(explored(LEADER_LOST, { epochFence: false }, all).found).toBeUndefined();
    expect(explored(LEADER_LOST, { epochFence: false }).found?.id).toBe('I4 write');
  }, 240_000);
});

/** The shortest way to break one invariant with one guard off: its steps, then what is wrong. */
function counterExample(off: keyof Rules, invariant: string, bounds: Partial<Bounds>): string {
  const { found } = explored(bounds, { [off]: false }, [invariant]);
  return found ? toldOf(found) : 'none';
}

function toldOf({ path, id, message }: NonNullable<Exploration['found']>): string {
  return [...path, `${id}: ${message}`].join('\n');
}

describe('broken variants', () => {
  it('no leader breaks I1: nobody ends the attempt of a worker that died', () => {
    const { found } = explored({ masters: 0, worker_deaths: 1 });
    expect(found && toldOf(found)).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A takes job 1 → token 1
      worker A dies
      I1: from here on it is out of reach"
    `);
  });

  it('reports without the token check break I3: an old result is taken for that of the present attempt', () => {
    expect(counterExample('reportToken', 'I3', { max_retries: 1 })).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A takes job 1 → token 1
      worker A hears that it has job 1, token 1
      worker A sends that job 1, token 1, is completed
      the lease of job 1, token 1, runs out
      master 1 wins the lock and begins epoch 1
      master 1 decides on a duty of epoch 1
      the sweep of master 1, epoch 1, ends job 1
      claim 2 of worker A selects job 1
      claim 2 of worker A takes job 1 → token 2
      the report that job 1, token 1, is completed arrives: accepted
      I3: what attempt 1 said changed attempt 2"
    `);
  });

  it('heartbeats without the token check break I3: an attempt that is over keeps its successor alive', () => {
    expect(counterExample('heartbeatToken', 'I3', { max_retries: 1 })).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A takes job 1 → token 1
      worker A hears that it has job 1, token 1
      the lease of job 1, token 1, runs out
      master 1 wins the lock and begins epoch 1
      master 1 decides on a duty of epoch 1
      the sweep of master 1, epoch 1, ends job 1
      claim 2 of worker A selects job 1
      claim 2 of worker A takes job 1 → token 2
      a heartbeat for job 1, token 1, arrives
      I3: what attempt 1 said changed attempt 2"
    `);
  });

  it('a claim without the re-check of the state breaks I2: two hold one job', () => {
    expect(counterExample('stateRecheck', 'I2', {})).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker B selects job 1
      claim 1 of worker A takes job 1 → token 1
      claim 1 of worker B takes job 1 → token 2
      I2: job 1: it has 2 unexpired leases"
    `);
  });

  it('the epoch in an unlogged table breaks I4: an epoch is given twice', () => {
    expect(counterExample('loggedEpoch', 'I4', losses(0))).toMatchInlineSnapshot(`
      "master 1 wins the lock and begins epoch 1
      the database crashes and recovers
      master 2 wins the lock and begins epoch 1
      I4: epoch 1 began after epoch 1"
    `);
  });

  it('the epoch in an unlogged table breaks I4: what an ended term decided on passes the fence', () => {
    expect(counterExample('loggedEpoch', 'I4 write', losses(0))).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A takes job 1 → token 1
      the lease of job 1, token 1, runs out
      master 1 wins the lock and begins epoch 1
      the database crashes and recovers
      master 1 decides on a duty of epoch 1
      master 1 finds out and steps down
      master 1 wins the lock and begins epoch 1
      the sweep of master 1, epoch 1, ends job 1
      I4 write: a write of term 1 was committed in term 2"
    `);
  });

  it('the retry count as token breaks I2: a release does not raise it', () => {
    expect(counterExample('tokenFromSequence', 'I2', { max_releases: 1 })).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker B selects job 1
      claim 1 of worker A takes job 1 → token 1
      worker A hears that it has job 1, token 1
      worker A sends that job 1, token 1, is released
      the report that job 1, token 1, is released arrives: accepted
      claim 1 of worker B takes job 1 → token 1
      I2: token 1 was given after token 1"
    `);
  });

  it('the retry count as token breaks I3: a repeated report ends an attempt that never sent it', () => {
    expect(counterExample('tokenFromSequence', 'I3', { max_releases: 1 })).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A takes job 1 → token 1
      worker A hears that it has job 1, token 1
      worker A sends that job 1, token 1, is released
      the report that job 1, token 1, is released arrives: accepted
      claim 2 of worker A selects job 1
      claim 2 of worker A takes job 1 → token 1
      the report that job 1, token 1, is released arrives: accepted
      I3: a report was accepted twice"
    `);
  });

  it('a claim id that is not remembered breaks F24: the repeat of an answered claim takes another job', () => {
    expect(counterExample('claimId', 'claim id', { jobs: 2 })).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A selects job 2
      claim 1 of worker A takes job 1 → token 1
      claim 1 of worker A takes job 2 → token 2
      claim id: one claim id was answered with two attempts"
    `);
  });

  it('no second look-up breaks F24: who repeats an accepted report is told that it is stale', () => {
    expect(counterExample('secondLookUp', 'repeat', {})).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A takes job 1 → token 1
      worker A hears that it has job 1, token 1
      worker A sends that job 1, token 1, is completed
      the report that job 1, token 1, is completed arrives: accepted
      the report that job 1, token 1, is completed arrives: stale
      repeat: a repeated report was told stale"
    `);
  });

  it('duties without the fence of the epoch break I4: a paused leader writes in the next term', () => {
    expect(counterExample('epochFence', 'I4 write', losses(1))).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A takes job 1 → token 1
      the lease of job 1, token 1, runs out
      master 1 wins the lock and begins epoch 1
      the lock session of master 1 is cut
      master 2 wins the lock and begins epoch 2
      master 1 decides on a duty of epoch 1
      the sweep of master 1, epoch 1, ends job 1
      I4 write: a write of term 1 was committed in term 2"
    `);
  });

  it('a sweep without its re-check breaks I5, fence or no fence: it ends an attempt that has ended', () => {
    expect(counterExample('sweepRecheck', 'I5', { max_retries: 1 })).toMatchInlineSnapshot(`
      "claim 1 of worker A selects job 1
      claim 1 of worker A takes job 1 → token 1
      worker A hears that it has job 1, token 1
      worker A sends that job 1, token 1, is failed
      the lease of job 1, token 1, runs out
      master 1 wins the lock and begins epoch 1
      master 1 decides on a duty of epoch 1
      the report that job 1, token 1, is failed arrives: accepted
      the sweep of master 1, epoch 1, ends job 1
      I5: retrying to failed by lease_expired is no edge"
    `);
  });
});
