/** What keeps the server from clearing away dead rows and its log; for the leader's figures and for `doctor`. */
import type { Queryable } from '../database/database.js';
import { isMissingSchema } from '../database/sql-errors.js';
import { statement } from '../database/statement.js';
import { DAY_MS, dayOf } from '../jobs/job-days.js';

export const SNAPSHOT_KINDS = ['session', 'prepared_transaction', 'standby', 'replication_slot'] as const;
export type SnapshotKind = (typeof SNAPSHOT_KINDS)[number];

/** Who still needs old row versions, so that no vacuum of this database removes them. */
export interface OldSnapshot {
  readonly kind: SnapshotKind;
  /** Of a session or of the server process that feeds a standby; 0 for others. */
  readonly pid: number;
  /** The application, the prepared transaction's gid, or the slot. */
  readonly name: string;
  readonly seconds: number;
}

export interface ReplicationSlot {
  readonly name: string;
  readonly active: boolean;
  /** Bytes of log that are kept for it; null for a slot that keeps none yet. */
  readonly retained_bytes: number | null;
  /** The same for people: `3 GB`. */
  readonly retained: string | null;
}

/** Holders that are looked at: the oldest of them decides. */
const LOOKED_AT = 5;

// Every role may ask. What another role's session does is hidden from one without pg_read_all_stats, when it
// began among it, but not its xmin; a standby's feedback and a slot have nothing but that. Autovacuum, told by
// having no user, holds back nothing.
const ReadSnapshotHolders = statement(
  'ReadSnapshotHolders',
  `WITH holder AS (
     SELECT CASE WHEN a.datid IS NULL THEN 'standby' ELSE 'session' END AS kind, a.pid,
            coalesce(nullif(a.application_name, ''), 'unknown') AS name, a.xact_start AS since,
            greatest(age(a.backend_xmin), age(a.backend_xid)) AS transactions
     FROM pg_catalog.pg_stat_activity a
     WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) AND a.pid <> pg_backend_pid()
       AND a.usesysid IS NOT NULL AND coalesce(a.datname, current_database()) = current_database()
     UNION ALL
     SELECT 'prepared_transaction', 0, p.gid, p.prepared, age(p.transaction)
     FROM pg_catalog.pg_prepared_xacts p WHERE p.database = current_database()
     UNION ALL
     SELECT 'replication_slot', 0, s.slot_name, NULL, age(s.xmin)
     FROM pg_catalog.pg_replication_slots s WHERE s.xmin IS NOT NULL
   )
   SELECT h.kind, h.pid, h.name,
          extract(epoch FROM clock_timestamp() - h.since)::float8 AS seconds,
          greatest(3, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - h.transactions)::text AS xid
   FROM (SELECT DISTINCT ON (h.kind, h.pid, h.name) h.* FROM holder h) h
   ORDER BY h.transactions DESC LIMIT ${LOOKED_AT}`,
);

// The days are values and the statement is planned with them, so that only their partitions are locked.
const ReadTimeSinceTransaction = statement(
  'ReadTimeSinceTransaction',
  `SELECT extract(epoch FROM clock_timestamp() - e.at)::float8 AS seconds
   FROM ffmpeg_master.job_events e
   WHERE e.day BETWEEN $2::date AND $3::date
     AND e.generation = (SELECT generation FROM ffmpeg_master.leadership) AND e.xid >= $1::xid8
   ORDER BY e.generation, e.xid, e.id LIMIT 1`,
  { prepared: false },
);

const ReadReplicationSlots = statement(
  'ReadReplicationSlots',
  `SELECT s.slot_name::text AS name, s.active, w.bytes::float8 AS retained_bytes, pg_size_pretty(w.bytes) AS retained
   FROM pg_catalog.pg_replication_slots s
   CROSS JOIN LATERAL (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) AS bytes) w
   ORDER BY w.bytes DESC NULLS LAST, s.slot_name`,
);

/** The holders of the oldest snapshots, the oldest first. */
export async function readSnapshots(database: Queryable): Promise<OldSnapshot[]> {
  const holders = await database.query<
    Omit<OldSnapshot, 'seconds'> & { seconds: number | null; xid: string }
  >(ReadSnapshotHolders);
  const snapshots = await Promise.all(
    holders.map(async ({ xid, ...holder }) => {
      return { ...holder, seconds: holder.seconds ?? (await secondsSince(database, xid)) };
    }),
  );
  return snapshots.sort((a, b) => b.seconds - a.seconds);
}

/**
 * For how long a transaction number has been passed: the event log notes the transaction and the time of each
 * event. 0 where there is no event since, for then hardly a row has died; at most about two days.
 */
async function secondsSince(database: Queryable, xid: string): Promise<number> {
  const days = [dayOf(Date.now() - DAY_MS), dayOf(Date.now() + DAY_MS)];
  const [row] = await database
    .query<{ seconds: number }>(ReadTimeSinceTransaction, [xid, ...days])
    .catch((error: unknown) => {
      if (isMissingSchema(error)) return [];
      throw error;
    });
  return Math.max(0, row?.seconds ?? 0);
}

/** All replication slots, those that keep most first. */
export function readReplicationSlots(database: Queryable): Promise<ReplicationSlot[]> {
  return database.query<ReplicationSlot>(ReadReplicationSlots);
}
