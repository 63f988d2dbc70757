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

const ReadDeadRows = statement(
  'ReadDeadRows',
  `SELECT s.relname AS table, s.n_dead_tup AS dead FROM pg_stat_user_tables s
   WHERE s.schemaname = 'ffmpeg_master' AND s.relname = ANY($1::name[])`,
);

/**
 * TRUNCATE off: giving the empty end of a table back takes ACCESS EXCLUSIVE, and the next burst needs the
 * pages again. Not SKIP_LOCKED: SHARE UPDATE EXCLUSIVE conflicts with no read or write, so waiting for it
 * harms nobody, and an autovacuum of the same table gives way after a second (deadlock_timeout), where
 * SKIP_LOCKED would leave the table as it is under exactly the load that this duty is for.
 */
const VACUUMS = new Map(
  HOT_TABLES.map((table) => [
    table,
    statement('VacuumHotTable', `VACUUM (ANALYZE, TRUNCATE off) ffmpeg_master.${table}`, { prepared: false }),
  ]),
);

@Injectable()
export class VacuumHotTablesRepository {
  constructor(private readonly database: Database) {}

  /** Dead rows of each hot table, by the server's own count. */
  deadRows(): Promise<{ table: HotTable; dead: number }[]> {
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
