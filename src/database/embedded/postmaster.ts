/** The server process: what `postmaster.pid` says about it, whether it lives, its start and its stop. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Binaries } from './binaries.js';
import { serverEnvironment, type ClusterPaths } from './cluster.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { processExists } from './process-exists.js';
import type { ServerAccount } from './server-account.js';

export interface Postmaster {
  readonly pid: number;
  /** Undefined until the server has opened its port. */
  readonly port: number | undefined;
  readonly status: 'starting' | 'ready' | 'stopping';
}

/** The live server of a data directory. A pid file that a dead one left behind is removed. */
export async function findPostmaster(data: string): Promise<Postmaster | undefined> {
  const file = join(data, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  // Empty for a moment between its creation and its first write.
  if (text === undefined || text.trim() === '') return undefined;
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!(await isPostgres(pid))) {
    // PostgreSQL itself removes the file of a dead server, but not when another program has got its pid.
    if ((await readFile(file, 'utf8').catch(() => undefined)) === text) await rm(file, { force: true });
    return undefined;
  }
  const status = lines[7]?.trim();
  return {
    pid,
    port: lines[3] === undefined || lines[3] === '' ? undefined : Number(lines[3]),
    status: status === 'ready' || status === 'stopping' ? status : 'starting',
  };
}

export interface PostmasterAttempt {
  readonly port: number;
  /** How this attempt ended; undefined while it runs. */
  ended(): string | undefined;
  /** Its first output, up to the moment when the server opens its own log. */
  output(): Promise<string>;
  /** Removes the file that held this output. */
  forget(): Promise<void>;
}

/** Starts the server in a session of its own: neither Ctrl-C nor the end of this process reaches it. */
export async function spawnPostmaster(
  paths: ClusterPaths,
  binaries: Binaries,
  account: ServerAccount,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<PostmasterAttempt> {
  const outputFile = join(paths.directory, `start-${randomUUID()}.log`);
  const output = await open(outputFile, 'wx', 0o600);
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let ended: string | undefined;
  try {
    const child = spawn(binaries.postgres, ['-D', paths.data, '-p', String(port), ...flags], {
      ...account,
      cwd: '/',
      detached: true,
      env: serverEnvironment(),
      stdio: ['ignore', output.fd, output.fd],
    });
    child.on('error', (error) => (ended = error.message));
    child.on('exit', (code, signal) => (ended = `it exited with ${signal ?? code}`));
    child.unref();
  } finally {
    await output.close();
  }
  return {
    port,
    ended: () => ended,
    output: () => readFile(outputFile, 'utf8').catch(() => ''),
    forget: () => rm(outputFile, { force: true }),
  };
}

/** The newest line of the server's log that says why it ended. */
export async function lastFatal(data: string): Promise<string | undefined> {
  const folder = join(data, 'log');
  const names = await readdir(folder).catch(() => []);
  const files = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })),
  );
  const newest = files.sort((a, b) => b.at - a.at)[0];
  if (newest === undefined) return undefined;
  const text = await readFile(join(folder, newest.name), 'utf8');
  return text.split('\n').findLast((line) => /FATAL|PANIC/.test(line));
}

/** Ends all sessions and writes everything to disk (PostgreSQL's "fast" stop); answers when it has ended. */
export async function stopPostmaster(data: string, withinMs: number): Promise<void> {
  const running = await findPostmaster(data);
  if (running === undefined) return;
  interrupt(running.pid);
  const deadline = Date.now() + withinMs;
  while (await isPostgres(running.pid)) {
    if (Date.now() > deadline) {
      throw new EmbeddedPostgresError(
        `PostgreSQL (process ${running.pid}) did not stop within ${withinMs / 1000} s; look into ${join(data, 'log')} and stop it with: kill -QUIT ${running.pid}`,
      );
    }
    await pause(10);
  }
}

function interrupt(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return;
    throw new EmbeddedPostgresError(
      `PostgreSQL (process ${pid}) cannot be stopped by this user (${code ?? message}); stop it as the user who started it.`,
    );
  }
}

/** `preferred`, or the next one above it that nobody holds. */
export async function freePort(preferred: number): Promise<number> {
  for (let port = preferred; port < preferred + 1000; port += 1) {
    if (await isFree(port)) return port;
  }
  throw new EmbeddedPostgresError(`No free port between ${preferred} and ${preferred + 999} for PostgreSQL.`);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/**
 * Whether the pid is a live PostgreSQL, and not another program that was given the number later, nor a
 * server that ended without its parent taking note (a container's process 1 often never does).
 */
async function isPostgres(pid: number): Promise<boolean> {
  if (!processExists(pid)) return false;
  if (process.platform !== 'linux') return true;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.includes('postgres');
}
