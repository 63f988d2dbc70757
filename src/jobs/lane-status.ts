import type { WaitingFor } from '../protocol/job.js';

/**
 * What the floor above knows of lanes: `dispatch` implements it, since it knows the nodes and the queues'
 * limits, and jobs only ask.
 */
export abstract class LaneStatus {
  /** Why no job of this lane can be claimed now; null where one can. */
  abstract blocked(lane_id: number): WaitingFor | null;
}
