/** What the facts of a database mean: pure, so that each verdict can be shown without a broken server. */
import type { Dsn } from '../../config/dsn.js';
import { MOST_BEHIND } from '../../database/replica-reads.js';
import { type Check, fail, ok, warn } from './check.js';
import type { OldSnapshot, ReplicationSlot, SnapshotKind } from '../../duties/vacuum-horizon.repository.js';
import type { HotTable, RightsFacts, ServerFacts } from './doctor.repository.js';

/** Lock session, listener, and one each for vacuum and migrations. */
const SESSIONS_BESIDE_THE_POOL = 4;

export function judgeConnections(
  { max_connections, reserved_connections }: Pick<ServerFacts, 'max_connections' | 'reserved_connections'>,
  { masters, pool, pooled }: { masters: number; pool: number; pooled: boolean },
): Check {
  const each = SESSIONS_BESIDE_THE_POOL + (pooled ? 0 : pool);
  const needed = each * masters;
  const free = max_connections - reserved_connections;
  const found = `${masters} master${masters === 1 ? '' : 's'} may open ${needed} of ${free}`;
  if (needed <= free) return ok('connections', found);
  return fail(
    'connections',
    found,
    `raise max_connections of the server above ${needed + reserved_connections}, or lower database.max_open_conns (now ${pool})`,
  );
}

export function judgeDurability(
  facts: Pick<ServerFacts, 'fsync' | 'full_page_writes' | 'synchronous_commit'>,
): Check {
  const { fsync, full_page_writes, synchronous_commit } = facts;
  const found = `fsync ${fsync}, full_page_writes ${full_page_writes}, synchronous_commit ${synchronous_commit}`;
  if (fsync !== 'on' || full_page_writes !== 'on') {
    return fail(
      'durability',
      found,
      'set fsync and full_page_writes to on: a power cut may destroy this database',
    );
  }
  if (synchronous_commit === 'off') {
    return warn(
      'durability',
      found,
      'set synchronous_commit to on or local: a crash may forget jobs that were answered 201',
    );
  }
  return ok('durability', found);
}

export function judgeTimeouts(
  facts: Pick<ServerFacts, 'statement_timeout_ms' | 'idle_in_transaction_ms'>,
): Check {
  const { statement_timeout_ms, idle_in_transaction_ms } = facts;
  const found = `statement_timeout ${statement_timeout_ms} ms, idle_in_transaction_session_timeout ${idle_in_transaction_ms} ms`;
  if (statement_timeout_ms > 0 && idle_in_transaction_ms > 0) return ok('time-outs', found);
  return warn(
    'time-outs',
    found,
    'run `ffmpeg-master migrate up` with a role that may set them for the role of database.dsn: a master that is frozen in a transaction would block the others',
  );
}

export function judgeRights({ role, may_create_role, refused }: RightsFacts): Check[] {
  const rights =
    refused.length === 0
      ? ok('rights', `${role} may use all of the schema ffmpeg_master`)
      : fail(
          'rights',
          `${role} may not use ${listed(refused)}`,
          'run `ffmpeg-master migrate up` with database.migrate_dsn as the owner of the schema; it grants what is missing',
        );
  const roles = may_create_role
    ? ok('roles', `${role} may make roles`)
    : warn(
        'roles',
        `${role} may not make roles: row-level security between tenants is absent`,
        `let a superuser run ALTER ROLE ${role} CREATEROLE, or migrate with a role that has it (database.migrate_dsn)`,
      );
  return [rights, roles];
}

export function judgeMigrations({
  pending,
  unknown,
}: {
  pending: readonly string[];
  unknown: readonly string[];
}): Check {
  if (pending.length > 0) {
    return warn(
      'migrations',
      `missing: ${listed(pending)}`,
      'run `ffmpeg-master migrate up`, or start a master whose role may: it applies them',
    );
  }
  if (unknown.length > 0) {
    return warn(
      'migrations',
      `a newer program has been here: ${listed(unknown)}`,
      'bring this program to the version that the other masters have',
    );
  }
  return ok('migrations', 'all applied');
}

/** Masters decide by the database's clock, so a difference only misleads people who read two logs. */
export function judgeClock(differenceMs: number): Check {
  const seconds = Math.abs(differenceMs) / 1000;
  const found = `this machine is ${seconds.toFixed(2)} s ${differenceMs >= 0 ? 'ahead of' : 'behind'} the database`;
  if (seconds < 1) return ok('clock', `within ${seconds.toFixed(2)} s of the database`);
  return warn(
    'clock',
    found,
    'keep both clocks by NTP (timedatectl set-ntp true): logs of the two cannot be compared',
  );
}

/** Seconds. Under load a snapshot of a minute keeps hundreds of thousands of dead rows in the way of claims. */
export const OLD_SNAPSHOT = 60;

export function judgeSnapshots(snapshots: readonly OldSnapshot[]): Check {
  const [oldest] = snapshots;
  if (oldest === undefined) return ok('snapshots', 'none older than a minute');
  const { who, mend } = HOLDERS[oldest.kind](oldest);
  return warn(
    'snapshots',
    `${who} holds one for ${duration(oldest.seconds)}`,
    `${mend}: vacuum removes no dead row while it lasts`,
  );
}

const HOLDERS: Readonly<Record<SnapshotKind, (of: OldSnapshot) => { who: string; mend: string }>> = {
  session: ({ pid, name }) => ({
    who: `process ${pid} (${name})`,
    mend: `end it, or let a superuser run SELECT pg_terminate_backend(${pid})`,
  }),
  prepared_transaction: ({ name }) => ({
    who: `the prepared transaction ${name}`,
    mend: 'end it with COMMIT PREPARED or ROLLBACK PREPARED',
  }),
  standby: ({ name }) => ({
    who: `the standby ${name}, by hot_standby_feedback,`,
    mend: 'end the long query there, or set hot_standby_feedback off on that standby',
  }),
  replication_slot: ({ name }) => ({
    who: `the replication slot ${name}`,
    mend: `end the long query of its standby; where that is gone, run SELECT pg_drop_replication_slot('${name}')`,
  }),
};

function duration(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

export function judgeSlots(slots: readonly ReplicationSlot[]): Check {
  const [first] = slots;
  if (first === undefined) return ok('replication slots', 'none unused');
  return warn(
    'replication slots',
    `unused: ${slots.map(({ name, retained }) => `${name} (keeps ${retained ?? 'nothing yet'})`).join(', ')}`,
    `start their readers, or drop them with SELECT pg_drop_replication_slot('${first.name}'): they keep log until the disk is full`,
  );
}

/** Milliseconds that the replica is behind; undefined where it gave no answer. */
export function judgeReplica(behindMs: number | undefined, place: string): Check {
  const mend =
    'mend database.replica_dsn or the replication; lists and statistics come from the primary meanwhile';
  if (behindMs === undefined) return warn('read replica', `${place} gives no answer`, mend);
  const found = `${place} is ${(behindMs / 1000).toFixed(1)} s behind`;
  return behindMs <= MOST_BEHIND ? ok('read replica', found) : warn('read replica', found, mend);
}

/** A claim over 200,000 dead rows took 16 ms instead of 0.6. */
const MANY_DEAD_ROWS = 100_000;

export function judgeHotTables(tables: readonly HotTable[], autovacuum: string): Check {
  const full = tables.filter(({ live, dead }) => dead > MANY_DEAD_ROWS && dead > live);
  if (full.length > 0) {
    return warn(
      'dead rows',
      full.map(({ name, dead }) => `${name}: ${dead}`).join(', '),
      'look for an old snapshot or a master without vacuum rights; until then run VACUUM on these tables',
    );
  }
  if (autovacuum !== 'on')
    return warn('dead rows', `few, but autovacuum is ${autovacuum}`, 'set autovacuum to on');
  return ok('dead rows', 'few');
}

/** No password, no user: where the database is. */
export function placeOf({ hosts, database, sslmode }: Dsn): string {
  return `${hosts.map(({ host, port }) => `${host}:${port}`).join(',')}/${database} (sslmode ${sslmode})`;
}

function listed(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}
