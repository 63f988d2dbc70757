/**
 * A place in the stream of all events: everything up to and with event `id` of transaction `xid` was read.
 * Transaction ids order events by when their transactions began to write; reading stays below the oldest
 * transaction that still runs, so nothing can appear behind a cursor later. The day only says in which
 * partitions to go on. `id:` lines carry it as `generation-xid-id-day`, e.g. `1-812345-977-20261123`.
 */
import { DAY_MS, dayOf } from '../../jobs/job-days.js';

export interface EventCursor {
  /** Of the database; a new one after commits may have been lost. */
  readonly generation: number;
  /** 64 bits, so not a number. */
  readonly xid: bigint;
  readonly id: number;
  /** `YYYY-MM-DD` in UTC: a day near which the next event lies. */
  readonly day: string;
}

export function encodeCursor({ generation, xid, id, day }: EventCursor): string {
  return `${generation}-${xid}-${id}-${day.replaceAll('-', '')}`;
}

/** Undefined for a text that is none of ours. */
export function decodeCursor(text: string): EventCursor | undefined {
  const parts = /^(\d{1,9})-(\d{1,19})-(\d{1,15})-(\d{4})(\d{2})(\d{2})$/.exec(text)?.slice(1);
  if (!parts) return undefined;
  const [generation, xid, id, year, month, date] = parts as [string, string, string, string, string, string];
  const day = `${year}-${month}-${date}`;
  if (Number.isNaN(Date.parse(day)) || dayOf(Date.parse(day)) !== day) return undefined;
  return { generation: Number(generation), xid: BigInt(xid), id: Number(id), day };
}

/** Of two places of one generation, whether the first comes later. */
export function isAfter(a: Pick<EventCursor, 'xid' | 'id'>, b: Pick<EventCursor, 'xid' | 'id'>): boolean {
  return a.xid === b.xid ? a.id > b.id : a.xid > b.xid;
}

export function daysLater(day: string, days: number): string {
  return dayOf(Date.parse(day) + days * DAY_MS);
}
