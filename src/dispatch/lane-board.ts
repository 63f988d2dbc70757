import { compareLanes, type QueueSettings } from './lane-order.js';
import type { Lane } from '../jobs/lanes.repository.js';

/** What this master believes of one lane that has work. */
export interface BoardLane {
  readonly lane: Lane;
  /** Position of its first waiting job, as far as known. */
  head: number;
  /** Jobs that may wait there, so that one new job does not send a thousand parked claims. */
  expected: number;
  /** Only the head was seen: `expected` is a guess, and doubles while claims find as many as they ask for. */
  guessed: boolean;
  /** Rises with each sign of new work, so that an older "nothing left" does not hide it. */
  version: number;
}

/** Jobs to expect in a lane of which only the head was seen. */
const SEEN_HEAD = 64;

/** Up to where a lane was consumed. */
interface Mark {
  position: number;
  /** The last claim above it came back short, so the next one reads from somewhat below it. */
  doubted: boolean;
}

/**
 * How far below its low-water mark a lane is read after a claim came back short, in microseconds: what another
 * master committed late has a position of a moment ago. Anything older that turns up below the mark (a locker that
 * rolled back, a job that re-entered) is found by a look at the whole lane.
 */
const COMMITTED_LATE = 3_000_000;

/** Marks before the oldest are cleared away: a lane without one is read from its beginning, once. */
const MARKS_KEPT = 10_000;

/**
 * Which lanes have work, in memory: fed by signals within milliseconds and by a look at all heads at each
 * resync, so that a lost signal costs one `signals.poll_interval`. Only a hint; the claim decides.
 */
export class LaneBoard {
  private readonly lanes = new Map<number, BoardLane>();
  /** Kept when a lane leaves the board: the next job of a lane that is empty most of the time needs it too. */
  private readonly marks = new Map<number, Mark>();
  private sorted: BoardLane[] | undefined;

  constructor(private readonly queueOf: (name: string) => QueueSettings) {}

  /** New jobs wait in a lane, the first of them at `position` or later. */
  add(lane: Lane, count: number, position: number): void {
    const known = this.lanes.get(lane.id);
    if (known) {
      known.expected += count;
      known.version += 1;
    } else {
      this.put({ lane, head: position, expected: count, guessed: false, version: 0 });
    }
  }

  /** The head of a lane as just read from the table. */
  seen(lane: Lane, head: number): void {
    if (head < (this.marks.get(lane.id)?.position ?? 0)) this.mark(lane.id, head);
    const known = this.lanes.get(lane.id);
    if (!known) return this.put({ lane, head, expected: SEEN_HEAD, guessed: true, version: 0 });
    known.expected = Math.max(known.expected, SEEN_HEAD);
    known.guessed = true;
    known.version += 1;
    this.moveHead(known, head);
  }

  /**
   * A claim that read from `from` took `count` jobs, up to `position`, and found as many as it asked for unless
   * `isShort`.
   */
  taken(id: number, from: number, count: number, position: number, isShort: boolean): void {
    // A look that was answered meanwhile found a job further below.
    if (from <= this.lowWater(id)) this.mark(id, position);
    const known = this.lanes.get(id);
    if (!known) return;
    known.expected = known.guessed ? Math.max(SEEN_HEAD, 2 * count) : known.expected - count;
    if (known.expected <= 0 && !isShort) return this.remove(id);
    known.expected = Math.max(1, known.expected);
    this.moveHead(known, position);
  }

  /**
   * A claim sent at `version` found less than it asked for. Above a low-water mark that says little, so the lane is
   * tried once more from below it before it leaves the board. Answers whether it left because nothing was found
   * where something was announced: then it may stand further below.
   */
  short(id: number, version: number): boolean {
    const mark = this.marks.get(id);
    if (mark && !mark.doubted) {
      mark.doubted = true;
      return false;
    }
    if (this.lanes.get(id)?.version !== version) return false;
    this.remove(id);
    return mark !== undefined;
  }

  /** The position from which a claim may start to read. */
  lowWater(id: number): number {
    const mark = this.marks.get(id);
    if (!mark) return 0;
    return mark.doubted ? Math.max(0, mark.position - COMMITTED_LATE) : mark.position;
  }

  /** All of them, for a look that starts to read there. */
  lowWaters(): { lane_id: number; low_water: number }[] {
    return [...this.marks.keys()].map((lane_id) => ({ lane_id, low_water: this.lowWater(lane_id) }));
  }

  private mark(id: number, position: number): void {
    const known = this.marks.get(id);
    if (known) Object.assign(known, { position, doubted: false });
    else this.marks.set(id, { position, doubted: false });
    if (this.marks.size > MARKS_KEPT) this.forgetOldest();
  }

  private forgetOldest(): void {
    for (const id of this.marks.keys()) {
      if (this.marks.size <= MARKS_KEPT / 2) return;
      this.marks.delete(id);
    }
  }

  /** The lanes with work, and the version of each. */
  versions(): Map<number, number> {
    return new Map([...this.lanes].map(([id, { version }]) => [id, version]));
  }

  /** Nothing waited in the lane, by a look that began at `version`. */
  gone(id: number, version: number): void {
    if (this.lanes.get(id)?.version === version) this.remove(id);
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
