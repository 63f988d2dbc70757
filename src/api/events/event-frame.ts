/** Events as they stand in a text/event-stream. */
import type { JobEvent } from '../../protocol/job.js';
import { encodeCursor, type EventCursor } from './event-cursor.js';
import type { ResetReason } from './event-reader.js';
import type { EventRow } from './event-stream.repository.js';

/** What a line of the stream of all events carries: a job's event, with what it may be filtered by. */
export interface StreamEvent extends JobEvent {
  queue: string;
  tags: string[];
}

/** An event of the stream, written once however many streams show it. */
export interface FramedEvent {
  readonly row: EventRow;
  readonly cursor: EventCursor;
  readonly frame: string;
}

export function frameEvent(row: EventRow, generation: number): FramedEvent {
  const cursor = { generation, xid: row.xid, id: row.id, day: row.day };
  return { row, cursor, frame: dataFrame(encodeCursor(cursor), toStreamEvent(row)) };
}

/** Without an `event:` line, so that an EventSource hands it to `onmessage`. */
export function dataFrame(id: string, data: object): string {
  return `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The past is gone; what follows begins at `cursor`. The client reads jobs anew by GET. */
export function resetFrame(cursor: EventCursor, reason: ResetReason): string {
  return `event: reset\nid: ${encodeCursor(cursor)}\ndata: ${JSON.stringify({ reason })}\n\n`;
}

/** Moves the client's Last-Event-ID and tells it nothing: so it resumes here, though no event was for it. */
export function positionFrame(cursor: EventCursor): string {
  return `: at\nid: ${encodeCursor(cursor)}\n\n`;
}

function toStreamEvent(row: EventRow): StreamEvent {
  return {
    job_id: row.job_id,
    n: row.n,
    type: row.type,
    from_status: row.from_status,
    to_status: row.to_status,
    at: row.at.toISOString(),
    attempt: row.attempt,
    node_id: row.node_id,
    lease_token: row.lease_token,
    queue: row.queue,
    tags: row.tags,
    data: row.data ?? {},
  };
}
