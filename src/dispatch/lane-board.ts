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

/** Up to where a lane was consumed, and since when this is believed: `performance.now()`. */
interface Mark {
  position: number;
  readonly since: number;
}

/**
 * How long a low-water mark is believed, in milliseconds. A commit that was late, a locker that rolled
 * back, or a job that re-entered can stand below it.
 */
const MARK_BELIEVED_FOR = 5000;

/** Marks before the old ones are cleared away: as many as lanes with work in five seconds. */
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
    if (head < (this.marks.get(lane.id)?.position ?? 0)) this.marks.delete(lane.id);
    const known = this.lanes.get(lane.id);
    if (!known) return this.put({ lane, head, expected: SEEN_HEAD, guessed: true, version: 0 });
    known.expected = Math.max(known.expected, SEEN_HEAD);
    known.guessed = true;
    known.version += 1;
    this.moveHead(known, head);
  }

  /** A claim took `count` jobs, up to `position`, and found as many as it asked for unless `isShort`. */
  taken(id: number, count: number, position: number, isShort: boolean, now: number): void {
    this.mark(id, position, now);
    const known = this.lanes.get(id);
    if (!known) return;
    known.expected = known.guessed ? Math.max(SEEN_HEAD, 2 * count) : known.expected - count;
    if (known.expected <= 0 && !isShort) return this.remove(id);
    known.expected = Math.max(1, known.expected);
    this.moveHead(known, position);
  }

  /**
   * A claim sent at `version` found less than it asked for. Above a low-water mark that says little, so
   * the mark is dropped and the lane is tried once more before it leaves the board.
   */
  short(id: number, version: number): void {
    if (this.marks.delete(id)) return;
    if (this.lanes.get(id)?.version === version) this.remove(id);
  }

  /** The position from which a claim may start to read. */
  lowWater(id: number, now: number): number {
    const mark = this.marks.get(id);
    return mark && now - mark.since <= MARK_BELIEVED_FOR ? mark.position : 0;
  }

  /** Moving a mark does not make it younger: what stands below it was passed over since then. */
  private mark(id: number, position: number, now: number): void {
    const known = this.marks.get(id);
    if (known && now - known.since <= MARK_BELIEVED_FOR) known.position = position;
    else this.marks.set(id, { position, since: now });
    if (this.marks.size > MARKS_KEPT) this.forgetOldMarks(now);
  }

  private forgetOldMarks(now: number): void {
    for (const [id, { since }] of this.marks) if (now - since > MARK_BELIEVED_FOR) this.marks.delete(id);
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
