/**
 * The fence: what keeps the writes of an ended term out. A statement of a duty begins with
 *
 *     WITH ${FENCE}, …
 *
 * takes `fenceValues(term)` as its first two values, and joins `fence` in each part that locks or writes. A
 * CTE that nothing references is not run, and one that only the final SELECT references would be run after
 * the writing; a test EXPLAINs every duty for the LockRows on `leadership`. The row is locked FOR SHARE, so
 * that the increment of the next leader waits for this statement, and this one sees what it incremented.
 *
 * The statement ends by answering `(SELECT count(*) FROM fence)::int AS fenced`: 0 tells the master that its
 * term is over (`FencedStatements` makes it step down).
 */
import type { Term } from './leadership.js';

export const FENCE =
  'fence AS MATERIALIZED (SELECT 1 FROM ffmpeg_master.leadership WHERE epoch = $1::bigint AND master_id = $2::uuid FOR SHARE)';

/** Who acted, in the events of a fenced statement: `leader/7`. `verify` holds it against the terms. */
export const LEADER = "'leader/' || $1::bigint";

export function fenceValues(term: Term): [epoch: number, masterId: string] {
  return [term.epoch, term.master_id];
}
