/**
 * Where an event stands in the stream of all jobs: (generation, transaction id, event id). A transaction has its id from its
 * first write on, which may be long before it comes to the job: a group of reports had 100, waited at its second job for a
 * heartbeat that had 101, and told of the end before the start. So a job keeps where its last event stands, in
 * `event_order`, and the next one stands there or behind.
 *
 * Behind its own transaction's place an event may be read late, never lost: the stream is read below the oldest transaction
 * that runs, and no event stands before the transaction that wrote it. The generation comes first, so that places of a
 * database that was restored elsewhere, where transactions are counted anew, hold nothing back.
 */

/** Of transaction ids; the generation is above them. */
const XID_BITS = 48;

/** The place of this transaction, in one number. */
const OWN_PLACE = `(SELECT (l.generation::bigint << ${XID_BITS}) | pg_current_xact_id()::text::bigint FROM ffmpeg_master.leadership l)`;

/** @param last the `event_order` of the job, locked; default: a job without events */
export function eventOrder(last?: string): string {
  return last === undefined ? OWN_PLACE : `greatest(${last}, ${OWN_PLACE})`;
}

/** The columns generation and xid of an event. @param order of its job, with this event */
export function placeOf(order: string): string {
  return `(${order} >> ${XID_BITS})::int, (${order} & ${2 ** XID_BITS - 1})::text::xid8`;
}
