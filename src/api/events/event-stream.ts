/**
 * One client's stream of all events: first what it missed, read page by page for it alone, then live, from
 * the tail that all streams of this master share.
 *
 *     Last-Event-ID ──▶ catch up ──▶ join the tail at P ──▶ read up to P ──▶ what was pushed meanwhile ──▶ live
 *     none ──▶ the present end ─────────────▲
 *
 * No gap and no repeat at the seam: the tail pushes everything after P, and what is read ends with P. A
 * client whose cursor lies behind P's (another master was ahead of this tail) is skipped forward to it.
 */
import { isAfter, type EventCursor } from './event-cursor.js';
import { frameEvent, positionFrame, resetFrame, type FramedEvent } from './event-frame.js';
import { presentEnd, type EventReader } from './event-reader.js';
import type { EventRow, StreamState } from './event-stream.repository.js';
import type { EventTail, TailFollower } from './event-tail.js';

/** What a stream needs of its client; `SseConnection` is the one over HTTP. */
export interface StreamClient {
  readonly closed: AbortSignal;
  write(frame: string): void;
  drained(): Promise<void>;
  cut(): void;
}

/** Events that may wait while the last ones missed are read. */
const MOST_PENDING = 10_000;

export class EventStream implements TailFollower {
  private cursor: EventCursor | undefined;
  /** Until it is live: what the tail pushed. */
  private pending: (FramedEvent | { reset: EventCursor })[] | undefined = [];

  constructor(
    private readonly client: StreamClient,
    private readonly reader: EventReader,
    private readonly tail: EventTail,
    private readonly filter: (event: EventRow) => boolean,
  ) {}

  /** Where the client stands; what a keep-alive tells it. */
  get position(): EventCursor | undefined {
    return this.cursor;
  }

  /**
   * Follows until the client is gone. `state` was read before the client was answered: whatever happens after it saw
   * the status 200, it hears of. Throws only before the first byte of an event was written. */
  async follow(from: EventCursor | undefined, state: StreamState): Promise<void> {
    const reason = from && this.reader.resetReason(from, state);
    this.cursor = from && !reason ? from : presentEnd(state);
    this.client.write(reason ? resetFrame(this.cursor, reason) : positionFrame(this.cursor));
    await this.catchUp();
    if (this.client.closed.aborted) return;
    const end = await this.tail.join(this);
    this.client.closed.addEventListener('abort', () => this.tail.leave(this), { once: true });
    if (this.client.closed.aborted) return this.tail.leave(this);
    await this.catchUp(end);
    this.goLive();
  }

  push(event: FramedEvent): void {
    if (this.pending) this.defer(event);
    else this.show(event);
  }

  moved(cursor: EventCursor): void {
    if (!this.pending && this.cursor && !isBehind(cursor, this.cursor)) this.cursor = cursor;
  }

  reset(cursor: EventCursor): void {
    if (this.pending) this.defer({ reset: cursor });
    else this.begin(cursor);
  }

  /** Reads to the present end, or up to `end`. */
  private async catchUp(end?: EventCursor): Promise<void> {
    while (this.cursor && !this.client.closed.aborted) {
      if (end && !isBehind(this.cursor, end)) return;
      const page = await this.reader.next(this.cursor);
      if (!page) {
        const { generation, today } = await this.reader.open();
        this.begin({ generation, xid: 0n, id: 0, day: today });
        continue;
      }
      for (const row of page.rows) {
        if (end && isAfter(row, end)) return;
        this.show(frameEvent(row, page.cursor.generation));
      }
      this.cursor = page.cursor;
      await this.client.drained();
      if (!page.more) return;
    }
  }

  private goLive(): void {
    const pending = this.pending ?? [];
    this.pending = undefined;
    for (const one of pending) {
      if ('reset' in one) this.begin(one.reset);
      else this.show(one);
    }
  }

  private show({ row, cursor, frame }: FramedEvent): void {
    if (this.cursor && !isBehind(this.cursor, cursor)) return;
    this.cursor = cursor;
    if (this.filter(row)) this.client.write(frame);
  }

  /** Goes over to a new generation, once. */
  private begin(cursor: EventCursor): void {
    if (this.cursor?.generation === cursor.generation) return;
    this.cursor = cursor;
    this.client.write(resetFrame(cursor, 'generation'));
  }

  private defer(one: FramedEvent | { reset: EventCursor }): void {
    this.pending?.push(one);
    if ((this.pending?.length ?? 0) > MOST_PENDING) this.client.cut();
  }
}

/** A new generation lies after all of the old. */
function isBehind(a: EventCursor, b: EventCursor): boolean {
  return a.generation === b.generation ? isAfter(b, a) : a.generation < b.generation;
}
