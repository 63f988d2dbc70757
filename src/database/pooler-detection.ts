/**
 * What is at the other end of a connection. A pooler is told by the pid: behind one, the pid of the
 * start-up message never equals `pg_backend_pid()`; directly it always does.
 */
import type pg from 'pg';
import { ConfigurationError } from '../config/configuration-error.js';

export interface ServerFacts {
  /** A standby. */
  readonly inRecovery: boolean;
  /** It takes no writes: a standby, or a server or role that was set read-only. */
  readonly readOnly: boolean;
  readonly pooled: boolean;
  /** As in `server_version_num`: 150018. */
  readonly version: number;
}

export const oldestVersion = 150_000;

export async function inspectServer(client: pg.ClientBase): Promise<ServerFacts> {
  const { rows } = await client.query<{
    in_recovery: boolean;
    read_only: boolean;
    pid: number;
    version: number;
  }>(
    `SELECT pg_is_in_recovery() AS in_recovery, current_setting('transaction_read_only')::boolean AS read_only,
            pg_backend_pid() AS pid,
            current_setting('server_version_num')::integer AS version`,
  );
  const facts = rows[0];
  if (facts === undefined) throw new Error('the server answered no facts about itself');
  return {
    inRecovery: facts.in_recovery,
    readOnly: facts.read_only,
    pooled: startUpPid(client) !== facts.pid,
    version: facts.version,
  };
}

export async function isPooled(client: pg.ClientBase): Promise<boolean> {
  return (await inspectServer(client)).pooled;
}

/** Why a server will not do for writing, as the end of a sentence; undefined if it will. */
export function whyNoWrites(facts: ServerFacts): string | undefined {
  if (facts.inRecovery) return 'is a standby and takes no writes';
  return facts.readOnly ? 'is set read-only (default_transaction_read_only)' : undefined;
}

/** @param key the setting that named the server, `database.direct_dsn` */
export function refusePooler(facts: ServerFacts, key: string): void {
  if (!facts.pooled) return;
  throw new ConfigurationError([
    {
      key,
      value: 'a connection pooler',
      allowed:
        'the address of the PostgreSQL server itself: behind a pooler, session locks exclude nobody and LISTEN hears nothing (only database.dsn may point at a pooler)',
    },
  ]);
}

export function refuseOldVersion(facts: ServerFacts, key: string): void {
  if (facts.version >= oldestVersion) return;
  const version = `${Math.floor(facts.version / 10_000)}.${facts.version % 10_000}`;
  throw new ConfigurationError([
    { key, value: `a PostgreSQL ${version} server`, allowed: 'PostgreSQL 15 or newer; upgrade the server' },
  ]);
}

/** Not in the types of `pg`: the pid that the start-up message named. */
function startUpPid(client: pg.ClientBase): number | null {
  return (client as unknown as { processID: number | null }).processID;
}
