import { Inject, Injectable } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { LOGGER, type Logger } from '../../logging/logger.js';
import { Signals } from '../../signals/signals.js';
import type { EventCursor } from './event-cursor.js';
import { frameEvent, type FramedEvent } from './event-frame.js';
import { EventReader, presentEnd } from './event-reader.js';

/** A stream that has caught up. Called in the turn of the event loop in which the tail moves. */
export interface TailFollower {
  /** Events in order, none twice, none left out. */
  push(event: FramedEvent): void;
  /** Everything up to here was pushed. */
  moved(cursor: EventCursor): void;
  /** The database's identity changed; events go on from here. */
  reset(cursor: EventCursor): void;
}

/** Milliseconds until held-back events are looked for again: transactions of ours last a few. */
const HELD_BACK_RETRY = 25;

/**
 * The end of the stream, read once for all live streams of this master. It reads while there is anybody to
 * read for: at each `event` signal, and each `signals.poll_interval` in case one was lost.
 */
@Injectable()
export class EventTail {
  private readonly followers = new Set<TailFollower>();
  private position: EventCursor | undefined;
  private starting: Promise<EventCursor> | undefined;
  private wake: (() => void) | undefined;
  private signaled = false;

  constructor(
    private readonly reader: EventReader,
    private readonly signals: Signals,
    private readonly settings: Settings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Answers the place after which the follower is pushed everything. */
  async join(follower: TailFollower): Promise<EventCursor> {
    this.followers.add(follower);
    if (this.position) return this.position;
    try {
      return await (this.starting ??= this.start().finally(() => (this.starting = undefined)));
    } catch (error) {
      this.followers.delete(follower);
      throw error;
    }
  }

  leave(follower: TailFollower): void {
    this.followers.delete(follower);
    if (this.followers.size === 0) this.wake?.();
  }

  private async start(): Promise<EventCursor> {
    const position = presentEnd(await this.reader.open());
    this.position = position;
    void this.run();
    return position;
  }

  private async run(): Promise<void> {
    const off = [this.signals.on('event', () => this.look()), this.signals.onResync(() => this.look())];
    let failing = false;
    while (this.followers.size > 0 && this.position) {
      this.signaled = false;
      let pause: number = this.settings.signals.poll_interval;
      try {
        pause = await this.read(this.position);
        failing = false;
      } catch (error) {
        if (!failing) this.logger.warn({ err: error }, 'the event stream waits for the database');
        failing = true;
      }
      if (!this.signaled && pause > 0) await this.wait(pause);
    }
    for (const end of off) end();
    this.position = undefined;
  }

  /**
   * Reads one page and hands it out; answers in how many milliseconds to look again. The position moves in
   * the same turn in which events are pushed: whoever joins between the two would miss them.
   */
  private async read(position: EventCursor): Promise<number> {
    const page = await this.reader.next(position);
    if (!page) return this.begin();
    const events = page.rows.map((row) => frameEvent(row, page.cursor.generation));
    this.position = page.cursor;
    for (const follower of this.followers) {
      for (const event of events) follower.push(event);
      follower.moved(page.cursor);
    }
    if (page.more) return 0;
    return page.held_back ? HELD_BACK_RETRY : this.settings.signals.poll_interval;
  }

  /** Goes to the beginning of the database's new generation: whatever was written under it is read. */
  private async begin(): Promise<number> {
    const { generation, today } = await this.reader.open();
    const position = { generation, xid: 0n, id: 0, day: today };
    this.position = position;
    for (const follower of this.followers) follower.reset(position);
    return 0;
  }

  private look(): void {
    this.signaled = true;
    this.wake?.();
  }

  private async wait(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = undefined;
  }
}
