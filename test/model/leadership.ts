/**
 * Who leads: election by the advisory lock, terms by the epoch (src/leadership). A master may be paused at any
 * moment: its session is cut then, while it goes on believing in its term, and what it decided on arrives later.
 */
import type { Action } from './facts.js';
import { step } from './facts.js';
import { masterName } from './world.js';

/**
 * TryLeaderLock, then StartTerm on the same session. In between the session may end, and StartTerm with it; so
 * whoever starts a term holds the lock, and both are one step here.
 */
export const elect: Action = function* (world) {
  if (world.masters.some(({ lock }) => lock)) return;
  for (const [index, { term }] of world.masters.entries()) {
    if (term) continue;
    const epoch = world.leadership.epoch + 1;
    yield step(`${masterName(index)} wins the lock and begins epoch ${epoch}`, world, (next, facts) => {
      facts.push({ kind: 'term', epoch });
      next.leadership = { epoch, master: index };
      next.terms += 1;
      next.highest_epoch = Math.max(next.highest_epoch, epoch);
      Object.assign(next.masters[index]!, { lock: true, term: { epoch, ordinal: next.terms } });
    });
  }
};

/** The lock session of a paused or unreachable master ends (idle_session_timeout). The master does not know. */
export const cutSession: Action = function* (world) {
  if (world.left.leader_losses === 0) return;
  for (const [index, { lock }] of world.masters.entries()) {
    if (!lock) continue;
    yield step(`the lock session of ${masterName(index)} is cut`, world, (next) => {
      next.left.leader_losses -= 1;
      next.masters[index]!.lock = false;
    });
  }
};

/** A master without its session finds out. What it had decided on may be under way all the same. */
export const stepDown: Action = function* (world) {
  for (const [index, { lock, term }] of world.masters.entries()) {
    if (lock || !term) continue;
    yield step(`${masterName(index)} finds out and steps down`, world, (next) => {
      next.masters[index]!.term = null;
    });
  }
};

/** EndTerm and ReleaseLeaderLock. */
export const resign: Action = function* (world) {
  if (world.left.leader_losses === 0) return;
  for (const [index, { lock, term }] of world.masters.entries()) {
    if (!lock || !term) continue;
    yield step(`${masterName(index)} resigns`, world, (next) => {
      next.left.leader_losses -= 1;
      const { leadership } = next;
      if (leadership.epoch === term.epoch && leadership.master === index) leadership.master = null;
      Object.assign(next.masters[index]!, { lock: false, term: null });
    });
  }
};

/** The process dies, what it decided on with it, and comes back. */
export const crashMaster: Action = function* (world) {
  if (world.left.leader_losses === 0) return;
  for (const [index, { lock, term, decision }] of world.masters.entries()) {
    if (!lock && !term && !decision) continue;
    yield step(`${masterName(index)} dies and comes back`, world, (next) => {
      next.left.leader_losses -= 1;
      next.masters[index] = { lock: false, term: null, decision: null };
    });
  }
};

/**
 * The server dies and recovers: sessions, locks and statements in flight are gone, what is logged stays. An
 * unlogged table is empty; its row would be made anew.
 */
export const crashDatabase: Action = function* (world, { rules }) {
  if (world.left.database_crashes === 0) return;
  yield step('the database crashes and recovers', world, (next) => {
    next.left.database_crashes -= 1;
    next.selected = [];
    for (const master of next.masters) master.lock = false;
    if (!rules.loggedEpoch) next.leadership = { epoch: 0, master: null };
  });
};
