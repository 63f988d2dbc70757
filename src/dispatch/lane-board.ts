import { compareLanes, type QueueSettings } from './lane-order.js';
import type { Lane } from '../jobs/lanes.repository.js';

/** What this master believes of one lane that has work. */
export interface BoardLane {
  readonly lane: Lane;
  /** Position of its first waiting job, as far as known. */
  head: number;
  /** Jobs that may wait there: a guess, so that one new job does not send a thousand parked claims. */
  expected: number;
  /** Positions below it are consumed. A hint that is forgotten soon: see `lowWater`. */
  mark: number;
  markedAt: number;
  /** Rises with each sign of new work, so that an older "nothing left" does not hide it. */
  version: number;
}

/** Jobs to expect in a lane of which only the head was seen. */
const SEEN_HEAD = 64;

/**
 * How long a low-water mark is believed, in milliseconds. A commit that was late, a locker that rolled
 * back, or a job that re-entered can stand below it.
 */
const MARK_BELIEVED_FOR = 5000;

/**
 * Which lanes have work, in memory: fed by signals within milliseconds and by a look at all heads at each
 * resync, so that a lost signal costs one `signals.poll_interval`. Only a hint; the claim decides.
 */
export class LaneBoard {
  private readonly lanes = new Map<number, BoardLane>();
  private sorted: BoardLane[] | undefined;

  constructor(private readonly queueOf: (name: string) => QueueSettings) {}

  /** New jobs wait in a lane, the first of them at `position` or later. */
  add(lane: Lane, count: number, position: number): void {
    const known = this.lanes.get(lane.id);
    if (known) {
      known.expected += count;
      known.version += 1;
    } else {
      this.put({ lane, head: position, expected: count, mark: 0, markedAt: 0, version: 0 });
    }
  }

  /** The head of a lane as just read from the table. */
  seen(lane: Lane, head: number): void {
    const known = this.lanes.get(lane.id);
    if (!known) return this.put({ lane, head, expected: SEEN_HEAD, mark: 0, markedAt: 0, version: 0 });
    known.expected = Math.max(known.expected, SEEN_HEAD);
    known.version += 1;
    if (head < known.mark) known.mark = 0;
    this.moveHead(known, head);
  }

  /** A claim took jobs up to `position` and might have taken more. */
  taken(id: number, count: number, position: number, now: number): void {
    const known = this.lanes.get(id);
    if (!known) return;
    known.expected = Math.max(1, known.expected - count);
    if (now - known.markedAt > MARK_BELIEVED_FOR) known.markedAt = now;
    known.mark = position;
    this.moveHead(known, position);
  }

  /**
   * A claim sent at `version` found less than it asked for. Above a low-water mark that says little, so
   * the mark is dropped and the lane is tried once more before it leaves the board.
   */
  short(id: number, version: number): void {
    const known = this.lanes.get(id);
    if (!known) return;
    if (known.mark > 0) known.mark = 0;
    else if (known.version === version) this.remove(id);
  }

  /** The position from which a claim may start to read. */
  lowWater({ mark, markedAt }: BoardLane, now: number): number {
    return now - markedAt > MARK_BELIEVED_FOR ? 0 : mark;
  }

  remove(id: number): void {
    if (this.lanes.delete(id)) this.sorted = undefined;
  }

  get(id: number): BoardLane | undefined {
    return this.lanes.get(id);
  }

  get size(): number {
    return this.lanes.size;
  }

  /** Best first. */
  inOrder(): readonly BoardLane[] {
    this.sorted ??= [...this.lanes.values()].sort((a, b) =>
      compareLanes(
        { priority: a.lane.priority, head: a.head },
        this.queueOf(a.lane.queue),
        { priority: b.lane.priority, head: b.head },
        this.queueOf(b.lane.queue),
      ),
    );
    return this.sorted;
  }

  /** The settings of queues have changed. */
  reorder(): void {
    this.sorted = undefined;
  }

  private put(lane: BoardLane): void {
    this.lanes.set(lane.lane.id, lane);
    this.sorted = undefined;
  }

  private moveHead(lane: BoardLane, head: number): void {
    if (lane.head === head) return;
    lane.head = head;
    this.sorted = undefined;
  }
}
