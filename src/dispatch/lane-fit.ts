import { Injectable } from '@nestjs/common';
import { LaneDirectory } from '../jobs/lane-directory.js';
import { LaneStatus } from '../jobs/lane-status.js';
import type { Lane } from '../jobs/lanes.repository.js';
import { NodeDirectory } from '../nodes/node-directory.js';
import type { NodeRow } from '../nodes/node-row.js';
import type { WaitingFor } from '../protocol/job.js';
import { fits } from './lane-matching.js';
import { QueueDirectory } from './queue-directory.js';

/** How long it is believed that no node can run a lane, in milliseconds. */
const BELIEVED_FOR = 1000;

/**
 * Which nodes can run which lanes, remembered per node: a node's row is replaced as a whole when it
 * changes, and what was remembered of the old one goes with it.
 */
@Injectable()
export class LaneFit extends LaneStatus {
  private readonly remembered = new WeakMap<NodeRow, Map<number, boolean>>();
  private readonly runnable = new Map<number, { readonly by: boolean; readonly at: number }>();

  constructor(
    private readonly lanes: LaneDirectory,
    private readonly nodes: NodeDirectory,
    private readonly queues: QueueDirectory,
  ) {
    super();
  }

  fits(lane: Lane, node: NodeRow): boolean {
    let known = this.remembered.get(node);
    if (!known) this.remembered.set(node, (known = new Map<number, boolean>()));
    let answer = known.get(lane.id);
    if (answer === undefined) known.set(lane.id, (answer = fits(lane, node)));
    return answer;
  }

  blocked(lane_id: number): WaitingFor | null {
    const lane = this.lanes.peek(lane_id);
    if (!lane) return null;
    const queue = this.queues.get(lane.queue);
    if (queue.paused) return 'paused';
    if (this.nodes.synced && !this.isRunnable(lane)) return 'requirement';
    return queue.at_limit ? 'limit' : null;
  }

  private isRunnable(lane: Lane): boolean {
    const known = this.runnable.get(lane.id);
    if (known && performance.now() - known.at < BELIEVED_FOR) return known.by;
    const by = this.nodes.all().some((node) => !node.draining && this.fits(lane, node));
    this.runnable.set(lane.id, { by, at: performance.now() });
    return by;
  }
}
