/**
 * Brings the schema `ffmpeg_master` to the version of this program: plain SQL files, in the order of their
 * numbers, all or none. Any number of processes may do it at once; an advisory lock lets one work while
 * the others wait and then find nothing to do. A master whose role may not make the schema waits until
 * somebody else has.
 *
 * Masters of the version before may be at work meanwhile: a migration adds, and takes away only what none of them uses
 * (contracting-migrations.ts).
 *
 * The role that masters log in as also gets its search_path and time-outs as role settings: the first so
 * that psql finds `jobs`, the others because a pooler lets no session settings through.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { refuseWhatIsStillUsed } from './contracting-migrations.js';
import { openSession } from './dedicated-session.js';
import { sessionTimeouts } from './session-timeouts.js';
import {
  isConnectionLost,
  isDeadlock,
  isMissingSchema,
  isPermissionDenied,
  isTimeout,
} from './sql-errors.js';

export interface MigrationOptions {
  /** Straight to the server, as a role that owns the schema or may make it. */
  readonly dsn: string;
  /** The role of `database.dsn`, where it is another one: it is granted what masters need. */
  readonly masterRole?: string;
  /** Told in a sentence what happens and what it waits for. */
  readonly log?: (message: string) => void;
  /** Folder of the SQL files; default the program's own. */
  readonly directory?: string;
  /** Milliseconds to wait for a table that is in use before stepping back; default 5,000. */
  readonly tableLockTimeoutMs?: number;
}

export interface MigrationStatus {
  readonly applied: readonly string[];
  /** In this program and not in the database. */
  readonly pending: readonly string[];
  /** In the database and not in this program: a newer one has been here. */
  readonly unknown: readonly string[];
}

export const migrationsDirectory = join(import.meta.dirname, 'migrations');

/**
 * Applies what is pending; answers the names of the migrations that this call applied.
 * Throws the server's 42501 when the role may not, and StillUsedError, having applied nothing, where a migration takes
 * away what a living master uses.
 */
export async function migrate(options: MigrationOptions): Promise<string[]> {
  const directory = options.directory ?? migrationsDirectory;
  const session = await openSession({
    dsn: options.dsn,
    key: 'database.migrate_dsn',
    purpose: 'migration',
    settings: { idle_in_transaction_session_timeout: 0 },
  });
  try {
    const { client } = session;
    const before = await readStatus(client, directory);
    if (before.pending.length === 0 && (await isSettled(client, options.masterRole))) return [];
    if (before.pending.length > 0) await refuseWithoutRight(client);
    // An own lock rather than the runner's: role settings, too, must be changed by one at a time
    // (else "tuple concurrently updated"), and a lock_timeout must hold for tables but not for this wait.
    await client.query('SELECT pg_advisory_lock($1)', [migrationLock]);
    await client.query(`SET lock_timeout = '${options.tableLockTimeoutMs ?? 5000}ms'`);
    // Read again: whoever held the lock may have left nothing to do, and masters come and go.
    const { pending } = await readStatus(client, directory);
    await refuseWhatIsStillUsed(client, directory, pending);
    const applied = await applyPending(client, directory, options.log ?? ignore);
    await settle(client, options.masterRole, options.log ?? ignore);
    return applied;
  } finally {
    await session.end();
  }
}

/** What of the program's migrations the database has. Throws when it cannot be asked. */
export async function migrationStatus(
  dsn: string,
  directory: string = migrationsDirectory,
): Promise<MigrationStatus> {
  const session = await openSession({ dsn, key: 'database.migrate_dsn', purpose: 'migration status' });
  try {
    return await readStatus(session.client, directory);
  } finally {
    await session.end();
  }
}

export interface SchemaWait {
  readonly dsn: string;
  readonly log: (message: string) => void;
  readonly directory?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds between two looks; default 500. */
  readonly every?: number;
  /** Milliseconds between two lines; default 5,000. */
  readonly logEvery?: number;
}

/** Waits until all migrations of this program are applied by somebody who may. */
export async function waitForSchema(options: SchemaWait): Promise<void> {
  let nextLine = 0;
  for (;;) {
    options.signal?.throwIfAborted();
    const missing = await whatIsMissing(options);
    if (missing === undefined) return;
    if (Date.now() >= nextLine) {
      nextLine = Date.now() + (options.logEvery ?? 5000);
      options.log(
        `waiting for the database schema: ${missing}; run \`ffmpeg-master migrate up\` with a role that may make it (database.migrate_dsn)`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, options.every ?? 500));
  }
}

/** Any number that no other program in the same database uses; node-pg-migrate's own is shared by its users. */
const migrationLock = 7_306_360_518_302_721;

/** A table that is in use keeps a migration waiting, and everybody else behind it; so it steps back and comes again. */
const tableLockTries = 12;

async function applyPending(
  client: pg.Client,
  directory: string,
  log: (message: string) => void,
): Promise<string[]> {
  // Only a first start needs it: loading it takes a tenth of a second of every other one.
  const { runner } = await import('node-pg-migrate');
  for (let attempt = 1; ; attempt += 1) {
    try {
      const done = await runner({
        dbClient: client,
        dir: directory,
        direction: 'up',
        schema: 'ffmpeg_master',
        createSchema: !(await hasSchema(client)),
        migrationsTable: 'migrations',
        singleTransaction: true,
        noLock: true,
        logger: { info: ignore, warn: ignore, error: ignore },
      });
      for (const { name } of done) log(`applied the migration ${name}`);
      return done.map(({ name }) => name);
    } catch (error) {
      if (!(isTimeout(error) || isDeadlock(error)) || attempt === tableLockTries) throw error;
      log(`a migration waits for a table that is in use (attempt ${attempt} of ${tableLockTries})`);
    }
  }
}

/** Before anybody waits for the lock: a role that may not migrate should say so at once. */
async function refuseWithoutRight(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ allowed: boolean }>(`
    SELECT CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
                ELSE pg_has_role(n.nspowner, 'USAGE') END AS allowed
    FROM (SELECT to_regnamespace('ffmpeg_master') AS oid) found
    LEFT JOIN pg_namespace n ON n.oid = found.oid`);
  if (rows[0]?.allowed === true) return;
  throw Object.assign(
    new Error(
      'this role may not make or change the schema ffmpeg_master; give database.migrate_dsn a role that owns it, or grant CREATE on the database',
    ),
    { code: '42501' },
  );
}

async function hasSchema(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(
    `SELECT to_regnamespace('ffmpeg_master') IS NOT NULL AS found`,
  );
  return rows[0]?.found === true;
}

async function readStatus(client: pg.Client, directory: string): Promise<MigrationStatus> {
  const own = (await readdir(directory))
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  const applied = await client
    .query<{ name: string }>('SELECT name FROM ffmpeg_master.migrations ORDER BY id')
    .then(({ rows }) => rows.map(({ name }) => name))
    .catch((error: unknown): string[] => {
      if (isMissingSchema(error)) return [];
      throw error;
    });
  return {
    applied,
    pending: own.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !own.includes(name)),
  };
}

async function whatIsMissing({ dsn, directory }: SchemaWait): Promise<string | undefined> {
  try {
    const { pending } = await migrationStatus(dsn, directory);
    return pending.length === 0 ? undefined : `${pending.join(', ')} not applied yet`;
  } catch (error) {
    if (isPermissionDenied(error)) return 'this role may not read ffmpeg_master.migrations';
    if (isConnectionLost(error)) return `the database does not answer (${(error as Error).message})`;
    throw error;
  }
}

/** Whether the role settings are there already, so that a start changes nothing and waits for nobody. */
async function isSettled(client: pg.Client, masterRole: string | undefined): Promise<boolean> {
  const { rows } = await client.query<{ settings: string[] }>(
    `SELECT coalesce(s.setconfig, '{}') AS settings
     FROM pg_roles r
     LEFT JOIN pg_db_role_setting s ON s.setrole = r.oid
      AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
     WHERE r.rolname = coalesce($1, current_user)`,
    [masterRole ?? null],
  );
  const existing = rows[0]?.settings ?? [];
  return Object.entries(roleSettings).every(([name, value]) => existing.includes(`${name}=${value}`));
}

async function settle(
  client: pg.Client,
  masterRole: string | undefined,
  log: (message: string) => void,
): Promise<void> {
  const { rows } = await client.query<{ role: string; database: string }>(
    'SELECT current_user AS role, current_database() AS database',
  );
  const { role, database } = rows[0] ?? { role: '', database: '' };
  const master = masterRole ?? role;
  if (master !== role) {
    for (const grant of grantsTo(pg.escapeIdentifier(master))) await client.query(grant);
  }
  if (await isSettled(client, masterRole)) return;
  for (const [name, value] of Object.entries(roleSettings)) {
    const sql = `ALTER ROLE ${pg.escapeIdentifier(master)} IN DATABASE ${pg.escapeIdentifier(database)} SET ${name} = ${value}`;
    try {
      await client.query(sql);
    } catch (error) {
      if (!isPermissionDenied(error)) throw error;
      log(`this role may not change settings of the role ${master}; let a superuser run: ${sql}`);
    }
  }
}

/** As pg_db_role_setting stores them. */
const roleSettings: Readonly<Record<string, string>> = {
  search_path: 'ffmpeg_master, public',
  ...Object.fromEntries(Object.entries(sessionTimeouts).map(([name, ms]) => [name, String(ms)])),
};

function grantsTo(role: string): string[] {
  return [
    `GRANT USAGE ON SCHEMA ffmpeg_master TO ${role}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ffmpeg_master TO ${role}`,
    `REVOKE INSERT, UPDATE, DELETE ON ffmpeg_master.migrations FROM ${role}`,
    `GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA ffmpeg_master TO ${role}`,
    `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ffmpeg_master TO ${role}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ffmpeg_master GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${role}`,
  ];
}

function ignore(): void {}
