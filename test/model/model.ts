/**
 * A model of claim, lease, report, expiry and election, small enough that every state it can reach is visited.
 *
 * Tests over real processes meet a few interleavings of millions, and the one in which a paused leader's sweep
 * arrives between two claims perhaps never. Here the rules of the statements are written down as pure functions over
 * a handful of rows, and explorer.ts tries every order of everything that may happen, with 2 masters, 2
 * workers and 1 or 2 jobs. What it claims is: within these bounds, the guards are enough (`the real rules`), and none
 * of them is spare (`broken variants`: with one guard off there is a path to a violation, the shortest of which is kept).
 *
 * What may happen
 *   - A statement is atomic, as in PostgreSQL; what lies between a decision and its statement is not. The claim is
 *     looser than the real one: between its snapshot and its UPDATE anything may happen.
 *   - A master may be paused at any moment: its lock session is cut, it goes on believing, and the duty that it decided
 *     on arrives whenever it likes. It may resign, or die and come back under the same id (a real one has a new id).
 *   - The server may crash: sessions, locks and statements in flight are gone, unlogged tables are empty.
 *   - What was sent once may arrive late, repeatedly, out of order or never. So there is no step in which a message is
 *     lost: it is one that never arrives. A worker may be paused past its lease, or die.
 *   - There is no clock. A lease may run out at any moment after it was given or extended, a backoff be over at once;
 *     clocks that go wrong are thus among what is tried.
 *   - Faults and what people ask for are bounded by number; progress (claims, sweeps, elections) never is.
 *
 * What must hold is in invariants.ts: I2 to I6 and F24 of each step, I1 of each state, the last part of it by walking
 * backwards from the jobs' ends: from every state, however many leaders and workers were lost on the way, each job's end
 * is within reach.
 *
 * | file | stands for |
 * |---|---|
 * | claims.ts | src/dispatch/claim.repository.ts, src/jobs/begin.sql.ts |
 * | reports.ts | src/dispatch/report.repository.ts, src/dispatch/heartbeat.repository.ts |
 * | settle.ts | src/jobs/settle.sql.ts |
 * | duties.ts | src/duties/requeue-expired-leases.repository.ts, src/duties/promote-due-jobs.repository.ts |
 * | leadership.ts | src/leadership/election.ts, lock-session.repository.ts, fence.sql.ts |
 * | people.ts | src/jobs/transitions.repository.ts |
 *
 * What it does not cover
 *   - The SQL. The model is written by hand beside it and shares only the state machine (`isLegal`): a guard
 *     that a statement forgets is found by the specs of that statement and by the faults, not here.
 *   - Locks and snapshots within a statement (SKIP LOCKED, groups, deadlocks: I13), and plans.
 *   - Limits, lanes and low-water marks (I7), run_at (I8), submits and idempotency keys (I9), the event log's numbers (I10).
 *   - Time: how long anything takes (I11), `calm` after an outage, and time-outs of jobs. `timed_out` is never entered.
 *   - Pause and resume, drain, `canceled` reports, permanent failures, claims handed back for a worker that hung up, the
 *     hand-over of a submit, and claim ids beyond the eight that a node's counter remembers.
 *   - Commits that a failover or a restore loses, and the jump by 2^32 that answers them.
 *   - Fairness. "Within reach" says that no state is a dead end, not that a worker will come.
 *   - More than the bounds allow. Rules of this kind tend to break in small worlds, if they break: the longest
 *     counter-example below has a dozen steps.
 */
import { canonicalKey } from './canonical.js';
import { giveUp, hear, select, take } from './claims.js';
import { decide, expire, promote, sweep } from './duties.js';
import type { System } from './explorer.js';
import type { Action, Fact } from './facts.js';
import { judgeState, judgeStep } from './invariants.js';
import { crashDatabase, crashMaster, cutSession, elect, resign, stepDown } from './leadership.js';
import { cancel, retry } from './people.js';
import { die, heartbeat, report, say } from './reports.js';
import type { Model } from './rules.js';
import { beginning, type World } from './world.js';

const ACTIONS: readonly Action[] = [
  ...[giveUp, select, take, hear],
  ...[die, say, report, heartbeat, expire],
  ...[elect, cutSession, stepDown, resign, crashMaster, crashDatabase],
  ...[decide, sweep, promote],
  ...[cancel, retry],
];

export function system(model: Model): System<World, Fact> {
  return {
    initial: beginning(model.bounds),
    *steps(world) {
      for (const action of ACTIONS) yield* action(world, model);
    },
    key: canonicalKey,
    judgeStep,
    judgeState: (world) => judgeState(world, model.bounds),
    // The end of each job.
    goals: Array.from({ length: model.bounds.jobs }, (_, job) => ({
      id: 'I1',
      reached: (world: World) => world.jobs[job]!.archived !== null,
    })),
  };
}
