/**
 * Makes the files of a new server: its data and its passwords. They are made aside and appear together by
 * one rename, so that of several processes that race exactly one makes the server, and a kill half-way
 * leaves nothing that looks like one.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { processExists } from './process-exists.js';
import { giveTo, type ServerAccount } from './server-account.js';

/** Where the parts of one server lie below the data directory of the settings. */
export interface ClusterPaths {
  readonly directory: string;
  readonly data: string;
  readonly password: string;
  readonly superuserPassword: string;
}

/** The role that masters log in as: it owns the database and may make roles, and is no superuser. */
export const embeddedRole = 'ffmpeg_master';
export const embeddedDatabase = 'ffmpeg_master';
export const embeddedSuperuser = 'postgres';

export function clusterPaths(home: string, directory = join(home, 'postgresql')): ClusterPaths {
  return {
    directory,
    data: join(directory, 'data'),
    password: join(directory, 'password'),
    superuserPassword: join(directory, 'superuser-password'),
  };
}

/** Makes the server's files unless they exist. Answers whether this call made them. */
export async function ensureCluster(
  home: string,
  binaries: Binaries,
  account: ServerAccount,
): Promise<boolean> {
  const paths = clusterPaths(home);
  for (;;) {
    const found = await majorOf(paths.data);
    if (found !== undefined) {
      refuseOtherMajor(found, binaries.major, paths.data);
      return false;
    }
    if (!(await anotherIsAtIt(home))) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const aside = await mkdtemp(join(home, `${asidePrefix}${process.pid}-`)).catch(
    (error: NodeJS.ErrnoException) => {
      throw new EmbeddedPostgresError(
        `The data directory ${home} cannot be written (${error.code ?? error.message}); name another one with --data-dir or mend its permissions.`,
      );
    },
  );
  try {
    await chmod(aside, 0o711);
    await makeCluster(clusterPaths(home, aside), binaries, account);
    await rename(aside, paths.directory);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

const asidePrefix = '.postgresql-';

function refuseOtherMajor(found: number, major: number, data: string): void {
  if (found === major) return;
  throw new EmbeddedPostgresError(
    `The data directory ${data} was written by PostgreSQL ${found}, and this ffmpeg-master brings PostgreSQL ${major}: ` +
      `dump it with the ffmpeg-master that wrote it running (pg_dump), start this one with a new --data-dir, and restore the dump into it (docs/embedded-postgresql.md).`,
  );
}

async function majorOf(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'PG_VERSION'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new EmbeddedPostgresError(
      `The data directory ${data} cannot be read (${error.code ?? error.message}): start ffmpeg-master as the user who made it, or name another one with --data-dir.`,
    );
  });
  return text === undefined ? undefined : Number(text.trim());
}

async function makeCluster(paths: ClusterPaths, binaries: Binaries, account: ServerAccount): Promise<void> {
  const password = randomBytes(24).toString('base64url');
  const superuserPassword = randomBytes(24).toString('base64url');
  await writeFile(paths.password, password, { mode: 0o600 });
  await writeFile(paths.superuserPassword, superuserPassword, { mode: 0o600 });
  await mkdir(paths.data, { mode: 0o700 });
  const passwordForInitdb = join(paths.directory, 'initdb-password');
  await writeFile(passwordForInitdb, superuserPassword, { mode: 0o600 });
  await giveTo(account, passwordForInitdb);
  await giveTo(account, paths.data);

  await run(
    binaries.initdb,
    [
      `--pgdata=${paths.data}`,
      `--username=${embeddedSuperuser}`,
      `--pwfile=${passwordForInitdb}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-sync',
      '--no-instructions',
      ...localeFlags(binaries.major),
    ],
    account,
  );
  await rm(passwordForInitdb);
  await appendFile(join(paths.data, 'postgresql.conf'), serverSettings);
  await run(
    binaries.postgres,
    [
      '--single',
      '-D',
      paths.data,
      '-c',
      'exit_on_error=on',
      '-c',
      'fsync=off',
      '-c',
      'log_min_messages=fatal',
      'template1',
    ],
    account,
    `CREATE ROLE ${embeddedRole} LOGIN CREATEROLE CREATEDB PASSWORD '${password}'\n` +
      `CREATE DATABASE ${embeddedDatabase} OWNER ${embeddedRole}\n`,
  );
}

/** The built-in provider (17 and newer) sorts alike on every machine and after every upgrade of its C library. */
function localeFlags(major: number): string[] {
  return major >= 17
    ? ['--locale-provider=builtin', '--locale=C', '--builtin-locale=C.UTF-8']
    : ['--locale=C'];
}

/**
 * For one machine that also transcodes: modest memory, durable. Planning costs assume an SSD. The log is
 * a file a weekday, each overwritten after a week.
 */
const serverSettings = `
# Written by ffmpeg-master when it made this server; change what you like, it is never rewritten.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
max_wal_size = 1GB
min_wal_size = 160MB
checkpoint_completion_target = 0.9
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_line_prefix = '%m [%p] %q%u@%d '
`;

/**
 * Whether another live process is making the files now. Only a courtesy: five initdb at once take 5.8 s on
 * two cores, one takes 1.1 s. Who did not see the other merely loses the rename. What a killed process
 * left behind is removed.
 */
async function anotherIsAtIt(home: string): Promise<boolean> {
  for (const entry of await readdir(home)) {
    if (!entry.startsWith(asidePrefix)) continue;
    const made = await stat(join(home, entry)).catch(() => undefined);
    if (made === undefined) continue;
    const pid = Number(entry.slice(asidePrefix.length).split('-')[0]);
    const young = Date.now() - made.mtimeMs < 20_000;
    if (processExists(pid) && young && pid !== process.pid) return true;
    if (!processExists(pid)) await rm(join(home, entry), { recursive: true, force: true });
  }
  return false;
}

function run(program: string, args: string[], account: ServerAccount, input = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...account,
      cwd: '/',
      env: serverEnvironment(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve();
      const lines = output.trim().split('\n');
      const reason = lines.find((line) => /error|fatal/i.test(line)) ?? lines.at(-1) ?? '';
      reject(
        new EmbeddedPostgresError(
          `PostgreSQL could not make its data directory (${signal ?? code}): ${reason.trim()}`,
        ),
      );
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** PGDATA, PGPORT and their like belong to other servers of the user; LC_* would choose missing locales. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(PG|LC_|LANG)/.test(name) && name !== 'NODE_OPTIONS',
  );
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}
