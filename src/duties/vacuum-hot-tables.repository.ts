import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { DedicatedSession } from '../database/dedicated-session.js';
import { statement } from '../database/statement.js';

const HOT_TABLES = [
  'jobs',
  'leases',
  'node_counters',
  'node_presence',
  'queue_counters',
  'master_presence',
  'cluster_presence',
  'leadership',
] as const;
export type HotTable = (typeof HOT_TABLES)[number];

export interface DeadRows {
  readonly table: HotTable;
  readonly dead: number;
  /** Number of the oldest transaction that somebody may still look at: rows that died since then stay. */
  readonly horizon: number;
}

/** A transaction number of 32 bits, as sessions show it, in the 64 bits of the present one. */
const whole = (xid: string) =>
  `CASE WHEN (${xid}::text::bigint - n.xid) & 4294967295 < 2147483648 THEN n.xid
        ELSE n.xid - ((n.xid - ${xid}::text::bigint) & 4294967295) END`;

// What died after the oldest snapshot was taken cannot be removed while that is held, by a session (of whatever
// role: xmin is hidden from nobody), a prepared transaction, a standby or its slot. Autovacuum, told by having no
// user, holds back nothing.
const ReadDeadRows = statement(
  'ReadDeadRows',
  `WITH n AS MATERIALIZED (
     SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid
   ),
   horizon AS (
     SELECT coalesce(min(${whole('held.xid')}), (SELECT n.xid FROM n)) AS xid
     FROM n CROSS JOIN (
       SELECT unnest(ARRAY[a.backend_xmin, a.backend_xid]) AS xid
       FROM pg_catalog.pg_stat_activity a
       WHERE a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL
         AND coalesce(a.datname, current_database()) = current_database()
       UNION ALL
       SELECT p.transaction FROM pg_catalog.pg_prepared_xacts p WHERE p.database = current_database()
       UNION ALL
       SELECT s.xmin FROM pg_catalog.pg_replication_slots s
     ) held
     WHERE held.xid IS NOT NULL
   )
   SELECT s.relname AS table, s.n_dead_tup AS dead, h.xid AS horizon
   FROM pg_catalog.pg_stat_user_tables s CROSS JOIN horizon h
   WHERE s.schemaname = 'ffmpeg_master' AND s.relname = ANY($1::name[])`,
);

/**
 * TRUNCATE off: giving the empty end of a table back takes ACCESS EXCLUSIVE, and the next burst needs the
 * pages again. Not SKIP_LOCKED: SHARE UPDATE EXCLUSIVE conflicts with no read or write, so waiting for it
 * harms nobody, and an autovacuum of the same table gives way after a second (deadlock_timeout), where
 * SKIP_LOCKED would leave the table as it is under exactly the load that this duty is for. No ANALYZE, which is
 * dearer than the vacuum (250 ms against 60 on 100,000 jobs) and holds a snapshot all the while: autovacuum's, once
 * a minute, is often enough for plans that do not depend on it.
 */
const VACUUMS = new Map(
  HOT_TABLES.map((table) => [
    table,
    statement('VacuumHotTable', `VACUUM (TRUNCATE off) ffmpeg_master.${table}`, { prepared: false }),
  ]),
);

@Injectable()
export class VacuumHotTablesRepository {
  constructor(private readonly database: Database) {}

  /** Dead rows of each hot table, by the server's own count. */
  deadRows(): Promise<DeadRows[]> {
    return this.database.query(ReadDeadRows, [HOT_TABLES]);
  }

  /** Throws where the server skipped the table: a role that does not own it gets a warning and no error. */
  async vacuum(session: DedicatedSession, table: HotTable): Promise<void> {
    const warnings: string[] = [];
    const note = (notice: { severity?: string | undefined; message?: string | undefined }) => {
      if (notice.severity === 'WARNING') warnings.push(notice.message ?? '');
    };
    session.client.on('notice', note);
    try {
      const vacuum = VACUUMS.get(table);
      if (vacuum !== undefined) await session.query(vacuum);
    } finally {
      session.client.off('notice', note);
    }
    if (warnings.length > 0) throw new Error(`${table} was not vacuumed: ${warnings.join('; ')}`);
  }
}
