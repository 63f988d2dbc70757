import { rankOf } from '../config/queue-ranks.js';
import { PRIORITIES, type Priority } from '../protocol/priority.js';

/** A queue as the table `queues` tells it; see the migration for the units. */
export interface QueueSettings {
  readonly name: string;
  readonly rank: number | null;
  readonly aging_step_us: number | null;
  readonly max_running: number | null;
  readonly paused: boolean;
  /** As many of its jobs run as may. */
  readonly at_limit: boolean;
}

/** What stands between two levels where order is strict: no job waits for 50 years. */
const STRICT_STEP_US = 50 * 365.25 * 86_400 * 1e6;

export interface Place {
  readonly priority: Priority;
  /** Position of the lane's first job, in microseconds. */
  readonly head: number;
}

/**
 * Which of two lanes is served first: the smaller (head + level × step). Rank and priority belong to the
 * lane, so nothing is rewritten when a setting changes. The parts are compared as differences, because
 * their sums go beyond what a double holds to the microsecond.
 */
export function compareLanes(a: Place, queueA: QueueSettings, b: Place, queueB: QueueSettings): number {
  return weight(a, queueA) - weight(b, queueB) + (a.head - b.head);
}

function weight(place: Place, queue: QueueSettings): number {
  const level = (queue.rank ?? rankOf(queue.name)) * PRIORITIES.length + PRIORITIES.indexOf(place.priority);
  return level * (queue.aging_step_us ?? STRICT_STEP_US);
}
