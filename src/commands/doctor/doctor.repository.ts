/** What `doctor` asks the database. Every role may ask; what it may not see is answered as NULL. */
import type { Queryable } from '../../database/database.js';
import { statement } from '../../database/statement.js';
import {
  type OldSnapshot,
  readReplicationSlots,
  readSnapshots,
  type ReplicationSlot,
} from '../../duties/vacuum-horizon.repository.js';

export interface ServerFacts {
  readonly version: string;
  readonly max_connections: number;
  readonly reserved_connections: number;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly autovacuum: string;
  readonly statement_timeout_ms: number;
  readonly idle_in_transaction_ms: number;
  /** Milliseconds since 1970 by the server's clock. */
  readonly clock_ms: number;
}

export interface RightsFacts {
  readonly role: string;
  readonly may_create_role: boolean;
  /** Tables, sequences and functions of the schema that the role may not use as a master does. */
  readonly refused: string[];
}

export interface HotTable {
  readonly name: string;
  readonly live: number;
  readonly dead: number;
}

const SERVER_FACTS = statement(
  'DoctorServerFacts',
  `SELECT current_setting('server_version') AS version,
          current_setting('max_connections')::integer AS max_connections,
          current_setting('superuser_reserved_connections')::integer AS reserved_connections,
          current_setting('fsync') AS fsync,
          current_setting('full_page_writes') AS full_page_writes,
          current_setting('synchronous_commit') AS synchronous_commit,
          current_setting('autovacuum') AS autovacuum,
          (SELECT setting::integer FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout_ms,
          (SELECT setting::integer FROM pg_settings
           WHERE name = 'idle_in_transaction_session_timeout') AS idle_in_transaction_ms,
          (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS clock_ms`,
  { prepared: false },
);

/** As a master uses them: rows of every table, numbers of every sequence, every function. */
const RIGHTS = statement(
  'DoctorRights',
  `SELECT r.rolname AS role, r.rolcreaterole OR r.rolsuper AS may_create_role,
          ARRAY(
            SELECT c.relname::text FROM pg_class c
            WHERE c.relnamespace = to_regnamespace('ffmpeg_master') AND c.relname <> 'migrations'
              AND ((c.relkind IN ('r', 'p')
                    AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                             AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
                    AND NOT c.relispartition)
                OR (CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') ELSE false END))
            UNION ALL
            SELECT p.proname::text FROM pg_proc p
            WHERE p.pronamespace = to_regnamespace('ffmpeg_master') AND NOT has_function_privilege(p.oid, 'EXECUTE')
            ORDER BY 1) AS refused
   FROM pg_roles r WHERE r.rolname = current_user`,
  { prepared: false },
);

const COUNT_MASTERS = statement(
  'DoctorCountMasters',
  `SELECT count(*)::integer AS masters FROM ffmpeg_master.master_presence
   WHERE seen_at > now() - interval '1 minute'`,
  { prepared: false },
);

const HOT_TABLES = statement(
  'DoctorHotTables',
  `SELECT relname::text AS name, n_live_tup AS live, n_dead_tup AS dead
   FROM pg_stat_user_tables
   WHERE schemaname = 'ffmpeg_master'
     AND relname IN ('jobs', 'leases', 'node_counters', 'queue_counters', 'node_presence', 'master_presence',
                     'leadership', 'cluster_presence', 'idempotency_keys')
   ORDER BY n_dead_tup DESC`,
  { prepared: false },
);

export class DoctorRepository {
  constructor(private readonly database: Queryable) {}

  async serverFacts(): Promise<ServerFacts> {
    const [row] = await this.database.query<ServerFacts>(SERVER_FACTS);
    if (row === undefined) throw new Error('the server answered no facts about itself');
    return row;
  }

  async rights(): Promise<RightsFacts> {
    const [row] = await this.database.query<RightsFacts>(RIGHTS);
    if (row === undefined) throw new Error('the server does not know the role of this session');
    return row;
  }

  /** Masters that were seen within a minute. */
  async countMasters(): Promise<number> {
    const [row] = await this.database.query<{ masters: number }>(COUNT_MASTERS);
    return row?.masters ?? 0;
  }

  async oldSnapshots(olderThanSeconds: number): Promise<OldSnapshot[]> {
    return (await readSnapshots(this.database)).filter(({ seconds }) => seconds > olderThanSeconds);
  }

  async unusedSlots(): Promise<ReplicationSlot[]> {
    return (await readReplicationSlots(this.database)).filter(({ active }) => !active);
  }

  hotTables(): Promise<HotTable[]> {
    return this.database.query<HotTable>(HOT_TABLES);
  }
}
