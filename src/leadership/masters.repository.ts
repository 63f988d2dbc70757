import type { Queryable } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { ListenerState } from '../signals/signals.js';
import type { MasterIdentity } from './master-identity.js';

/** A gap of more than this in which no master was seen is an outage: leases then get a full period of grace. */
export const OUTAGE_AFTER = "interval '5 seconds'";

/** A master is listed for this long after it was last seen. */
const LISTED_FOR = "interval '1 minute'";

/** A row of `GET /cluster`. */
export interface Master {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly url: string;
  readonly version: string;
  readonly started_at: Date;
  readonly seen_at: Date;
  readonly leader: boolean;
  readonly listener: ListenerState;
}

// One UPDATE of cluster_presence: masters that come back together queue up at its row, and the first alone
// finds the gap. clock_timestamp(), since now() is the moment before that wait.
const SeeMaster = statement(
  'SeeMaster',
  `WITH registered AS (
     INSERT INTO ffmpeg_master.masters (id, name, host, pid, url, version, started_at)
     SELECT $1::uuid, $2, $3, $4::integer, $5, $6, $7::timestamptz
     WHERE NOT EXISTS (SELECT FROM ffmpeg_master.masters WHERE id = $1::uuid)
     ON CONFLICT (id) DO NOTHING
   ), present AS (
     INSERT INTO ffmpeg_master.master_presence (master_id, seen_at, listener)
     VALUES ($1::uuid, clock_timestamp(), $8)
     ON CONFLICT (master_id) DO UPDATE SET seen_at = EXCLUDED.seen_at, listener = EXCLUDED.listener
   )
   UPDATE ffmpeg_master.cluster_presence
   SET outage_ended_at = CASE WHEN clock_timestamp() - last_seen_at > ${OUTAGE_AFTER} THEN clock_timestamp()
                              ELSE outage_ended_at END,
       last_seen_at = clock_timestamp()`,
  { hot: true },
);

const ForgetMaster = statement(
  'ForgetMaster',
  `WITH absent AS (DELETE FROM ffmpeg_master.master_presence WHERE master_id = $1)
   DELETE FROM ffmpeg_master.masters WHERE id = $1`,
);

const ListMasters = statement(
  'ListMasters',
  `SELECT m.id, m.name, m.host, m.pid, m.url, m.version, m.started_at, p.seen_at, p.listener,
          l.master_id IS NOT DISTINCT FROM m.id AND p.seen_at > clock_timestamp() - ${OUTAGE_AFTER} AS leader
   FROM ffmpeg_master.masters m
   JOIN ffmpeg_master.master_presence p ON p.master_id = m.id
   CROSS JOIN ffmpeg_master.leadership l
   WHERE p.seen_at > clock_timestamp() - ${LISTED_FOR}
   ORDER BY m.name, m.started_at`,
);

const ReadEpoch = statement('ReadEpoch', 'SELECT epoch FROM ffmpeg_master.leadership');

export class MastersRepository {
  constructor(private readonly database: Queryable) {}

  /** Registers the master where it is unknown, and writes that it lives. */
  async see(master: MasterIdentity, listener: ListenerState): Promise<void> {
    const { id, name, host, pid, url, version, started_at } = master;
    await this.database.query(SeeMaster, [id, name, host, pid, url, version, started_at, listener]);
  }

  async forget(id: string): Promise<void> {
    await this.database.query(ForgetMaster, [id]);
  }

  list(): Promise<Master[]> {
    return this.database.query<Master>(ListMasters);
  }

  async epoch(): Promise<number> {
    const [row] = await this.database.query<{ epoch: number }>(ReadEpoch);
    return row?.epoch ?? 0;
  }
}
