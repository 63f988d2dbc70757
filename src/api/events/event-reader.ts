import { Injectable } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { DAY_MS } from '../../jobs/job-days.js';
import { daysLater, type EventCursor } from './event-cursor.js';
import { EventStreamRepository, type EventRow, type StreamState } from './event-stream.repository.js';

export interface EventPage {
  readonly rows: EventRow[];
  /** Where to go on. */
  readonly cursor: EventCursor;
  /** There may be more to read at once. */
  readonly more: boolean;
  /** Committed events will be readable in a moment, when transactions now running are over. */
  readonly held_back: boolean;
}

export type ResetReason = 'generation' | 'retention';

/** Events in one statement: a page of 500 is about 200 KB. */
export const PAGE = 500;

/** Reads the stream page by page, and knows where it begins and ends. */
@Injectable()
export class EventReader {
  constructor(
    private readonly repository: EventStreamRepository,
    private readonly settings: Settings,
  ) {}

  open(): Promise<StreamState> {
    return this.repository.open();
  }

  /**
   * What follows the cursor on three days around its own. A transaction over midnight may have events of
   * the day before behind those of the day after in order, so the last of the three days is shown only
   * once the window has moved on and the day after it is in sight too.
   *
   * @returns undefined where the cursor is of another generation than the database
   */
  async next(cursor: EventCursor, limit = PAGE): Promise<EventPage | undefined> {
    const { rows: found, generation, today, held_back } = await this.repository.read(cursor, limit);
    if (generation !== cursor.generation) return undefined;
    const lastDay = daysLater(cursor.day, 1);
    const cut = found.findIndex((row) => row.day === lastDay);
    const rows = cut < 0 ? found : found.slice(0, cut);
    const last = rows.at(-1);
    const place = last ? { xid: last.xid, id: last.id } : { xid: cursor.xid, id: cursor.id };
    const day = last && last.day > cursor.day ? last.day : cursor.day;
    const exhausted = cut < 0 ? found.length < limit : cut === 0;
    // What is held back lies on these days, and would be out of sight once they were left.
    const behind = exhausted && !held_back && cursor.day < today;
    return {
      rows,
      cursor: { generation, ...place, day: behind ? lastDay : day },
      more: behind || !exhausted,
      held_back: held_back || cut === 0,
    };
  }

  /**
   * Why a client cannot go on from its cursor, or undefined where it can. An event may lie on the day
   * before its cursor's (a transaction over midnight), so that day has to be there too.
   */
  resetReason(cursor: EventCursor, state: StreamState): ResetReason | undefined {
    if (cursor.generation !== state.generation || isUnheardOf(cursor, state)) return 'generation';
    const kept = daysLater(state.today, -Math.floor(this.settings.retention.history / DAY_MS));
    return cursor.day < state.oldest_day || cursor.day <= kept ? 'retention' : undefined;
  }
}

/** On a quiet server the present end is the very place of the next transaction, and a good one: id 0. */
function isUnheardOf({ xid, id }: EventCursor, { next_xid }: StreamState): boolean {
  return xid > next_xid || (xid === next_xid && id > 0);
}

/** Before everything that is not yet readable: nothing that commits from now on is missed. */
export function presentEnd({ generation, horizon, today }: StreamState): EventCursor {
  return { generation, xid: horizon, id: 0, day: today };
}
