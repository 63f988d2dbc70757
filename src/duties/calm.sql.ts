import { OUTAGE_AFTER } from '../leadership/masters.repository.js';

/**
 * A CTE behind `fence`: one row while silence of workers means something, none during and right after an
 * outage. Masters write every second that they live; where that had a gap of over 5 s (all of them or the
 * database were away), workers could not be heard, and each lease gets one full period from the gap's end.
 *
 * now() is the start of the transaction, before any statement of it: a server that stood still in the
 * middle of one must not find leases expired by a clock that went on.
 *
 * @param lease the parameter that holds workers.lease_duration, in milliseconds
 */
export function calm(lease: string): string {
  return `
  calm AS MATERIALIZED (
    SELECT c.outage_ended_at FROM ffmpeg_master.cluster_presence c CROSS JOIN fence
    WHERE c.last_seen_at > now() - ${OUTAGE_AFTER}
      AND (c.outage_ended_at IS NULL OR c.outage_ended_at + ${lease}::float8 * interval '1 millisecond' < now())
  )`;
}

/** The same for a lease `l` that lasts as long as it says itself, beside the CTE `calm`. */
export const CALM_FOR_LEASE = `(l.lease_ms IS NULL OR calm.outage_ended_at IS NULL
        OR calm.outage_ended_at + l.lease_ms * interval '1 millisecond' < now())`;
