/** How much waits in lanes, read at a bounded price, however much it is. */

/** A job that could be claimed now, if its lane may be: the predicate of the claim's index. */
export const WAITS = `j.status = 'queued' AND NOT j.paused AND j.due_at IS NULL`;

/** Waiting jobs are counted to this number, 2 ms at most; beyond it a person wants to know "many", not a scan. */
export const COUNTED = 10_000;

/**
 * Columns `waiting`, counted up to one more than `COUNTED` over all lanes together, and `head`, the first
 * position among them; `lanes` is an int[]. ORDER BY holds the planner to the claim's index.
 */
export function waitingIn(lanes: string): string {
  return `
     SELECT counted.waiting, first.head
     FROM (SELECT count(*)::int AS waiting
           FROM (SELECT FROM unnest(${lanes}) w(lane)
                 CROSS JOIN LATERAL (SELECT FROM ffmpeg_master.jobs j WHERE j.lane_id = w.lane AND ${WAITS}
                                     ORDER BY j.position, j.sequence_number LIMIT ${COUNTED + 1}) j
                 LIMIT ${COUNTED + 1}) c) counted
     CROSS JOIN (SELECT min(h.position) AS head
                 FROM unnest(${lanes}) w(lane)
                 CROSS JOIN LATERAL (SELECT j.position FROM ffmpeg_master.jobs j WHERE j.lane_id = w.lane AND ${WAITS}
                                     ORDER BY j.position, j.sequence_number LIMIT 1) h) first`;
}
