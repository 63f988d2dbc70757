/** What the lock session says to the server; `Election` says when. */
import type { DedicatedSession } from '../database/dedicated-session.js';
import { isPermissionDenied } from '../database/sql-errors.js';
import { statement } from '../database/statement.js';
import type { Term } from './leadership.js';

/** Any number that no other program in the same database uses; migrations use the one before it. */
const LEADER_LOCK = 7_306_360_518_302_722;

/** Past whatever commits a failover or a restore may have lost. */
const JUMP = 2 ** 32;

/** Milliseconds. The new term's first statement waits for duties of the last one, which may take 1 s. */
const TERM_STARTS_WITHIN = 5_000;
const ANSWER_WITHIN = 1_500;
/** A resignation that the server does not answer becomes the end of the session. */
const RESIGNED_WITHIN = 150;

// A server that was demoted, or set read-only for a switchover, still gives locks: they would elect nobody.
const TryLeaderLock = statement(
  'TryLeaderLock',
  `SELECT CASE WHEN current_setting('transaction_read_only')::boolean THEN NULL
               ELSE pg_try_advisory_lock($1) END AS locked`,
);

const PingLockSession = statement(
  'PingLockSession',
  `SELECT current_setting('transaction_read_only')::boolean AS read_only`,
);

// Apart from the statement that needs it: whoever may not call the function may still lead.
const ReadSystemIdentifier = statement(
  'ReadSystemIdentifier',
  'SELECT system_identifier::text AS system_identifier FROM pg_control_system()',
);

// The timeline is the one that WAL is written on; pg_control_checkpoint() lags a promotion by minutes. The
// oid changes where a dump was restored, for that makes the table anew.
const StartTerm = statement(
  'StartTerm',
  `WITH identity AS MATERIALIZED (
     SELECT $2::text AS system_identifier,
            left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline,
            'ffmpeg_master.leadership'::regclass::oid AS relation_oid
   ), past AS MATERIALIZED (
     SELECT l.epoch, l.generation, l.system_identifier,
            coalesce(l.system_identifier <> i.system_identifier, false)
            OR coalesce(l.timeline <> i.timeline, false)
            OR coalesce(l.relation_oid <> i.relation_oid, false) AS changed
     FROM ffmpeg_master.leadership l CROSS JOIN identity i
     FOR UPDATE OF l
   ), jump AS MATERIALIZED (
     SELECT setval('ffmpeg_master.lease_tokens', nextval('ffmpeg_master.lease_tokens') + ${JUMP})
     FROM past WHERE changed
   ), term AS (
     UPDATE ffmpeg_master.leadership l
     SET epoch = p.epoch + 1 + CASE WHEN p.changed THEN ${JUMP} ELSE 0 END,
         master_id = $1, since = clock_timestamp(),
         system_identifier = coalesce(i.system_identifier, p.system_identifier),
         timeline = i.timeline, relation_oid = i.relation_oid,
         generation = p.generation + p.changed::int
     FROM past p CROSS JOIN identity i
     WHERE (SELECT count(*) FROM jump) >= 0
     RETURNING l.epoch, l.master_id, l.since, p.changed
   ), recorded AS (
     INSERT INTO ffmpeg_master.leadership_terms (epoch, master_id, since)
     SELECT t.epoch, t.master_id, t.since FROM term t
   )
   SELECT t.epoch, t.master_id, t.since, t.changed FROM term t`,
);

const EndTerm = statement(
  'EndTerm',
  'UPDATE ffmpeg_master.leadership SET master_id = NULL WHERE epoch = $1 AND master_id = $2',
);

const ReleaseLeaderLock = statement('ReleaseLeaderLock', 'SELECT pg_advisory_unlock($1)');

export interface StartedTerm extends Term {
  /** The database is not the one of the last term: commits may have been lost. */
  readonly changed: boolean;
}

export class LockSessionRepository {
  constructor(private readonly session: DedicatedSession) {}

  /** Throws where the server takes no writes. */
  async tryLock(): Promise<boolean> {
    const [row] = await this.session.query<{ locked: boolean | null }>(TryLeaderLock, [LEADER_LOCK], {
      timeoutMs: ANSWER_WITHIN,
    });
    if (row?.locked == null) throw new Error('the server of the lock session is read-only');
    return row.locked;
  }

  /** Throws where the server no longer takes writes. */
  async ping(): Promise<void> {
    const [row] = await this.session.query<{ read_only: boolean }>(PingLockSession, [], {
      timeoutMs: ANSWER_WITHIN,
    });
    if (row?.read_only !== false) throw new Error('the server of the lock session became read-only');
  }

  async startTerm(masterId: string): Promise<StartedTerm> {
    const [term] = await this.session.query<StartedTerm>(
      StartTerm,
      [masterId, await this.systemIdentifier()],
      {
        timeoutMs: TERM_STARTS_WITHIN,
      },
    );
    if (term === undefined) throw new Error('the table ffmpeg_master.leadership has lost its row');
    return term;
  }

  /** Ends the term for everybody to see and frees the lock; waits for statements of this term in flight. */
  async release({ epoch, master_id }: Term): Promise<void> {
    await this.session.query(EndTerm, [epoch, master_id], { timeoutMs: RESIGNED_WITHIN });
    await this.session.query(ReleaseLeaderLock, [LEADER_LOCK], { timeoutMs: RESIGNED_WITHIN });
  }

  private async systemIdentifier(): Promise<string | null> {
    try {
      const [row] = await this.session.query<{ system_identifier: string }>(ReadSystemIdentifier, [], {
        timeoutMs: ANSWER_WITHIN,
      });
      return row?.system_identifier ?? null;
    } catch (error) {
      if (isPermissionDenied(error)) return null;
      throw error;
    }
  }
}
