/**
 * Under which account the server runs. PostgreSQL refuses to run as root, so root hands it to `nobody`;
 * everybody else runs it as themselves.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join, parse, resolve } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

/** What `spawn` takes to change the account; empty when the server runs as the caller. */
export interface ServerAccount {
  readonly uid?: number;
  readonly gid?: number;
}

export async function serverAccount(): Promise<ServerAccount> {
  if (process.getuid?.() !== 0) return {};
  return { uid: await idOfNobody('-u'), gid: await idOfNobody('-g') };
}

/**
 * Makes `directory` with its missing parents, all of them passable for the account of the server.
 * Refuses, with the mend, when a folder above keeps that account out.
 */
export async function makeReachable(directory: string, account: ServerAccount): Promise<void> {
  await refuseWalls(directory, account);
  try {
    const made = await mkdir(directory, { recursive: true });
    if (made !== undefined) await openPath(made, directory);
  } catch (error) {
    throw new EmbeddedPostgresError(
      `The data directory ${directory} cannot be made (${(error as Error).message}); name another one with --data-dir or mend its permissions.`,
    );
  }
}

async function refuseWalls(directory: string, account: ServerAccount): Promise<void> {
  const wall = await folderInTheWay(directory, account);
  if (wall === undefined) return;
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, so it runs as "nobody", whom ${wall} keeps out of the data directory ${directory}; ` +
      `name another one with --data-dir (/var/lib/ffmpeg-master, for example) or run: chmod o+x ${wall}`,
  );
}

/** The first existing folder, from the root down, that the account may not enter. */
async function folderInTheWay(directory: string, account: ServerAccount): Promise<string | undefined> {
  if (account.uid === undefined) return undefined;
  for (const folder of fromTheRoot(directory)) {
    const found = await stat(folder).catch(() => undefined);
    if (found === undefined) return undefined;
    const { uid, gid, mode } = found;
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return folder;
  }
  return undefined;
}

/** Gives a tree to the account of the server. Links are changed themselves, not what they point at. */
export async function giveTo(account: ServerAccount, path: string): Promise<void> {
  if (account.uid === undefined || account.gid === undefined) return;
  await chown(path, account.uid, account.gid);
  if (!(await lstat(path)).isDirectory()) return;
  for (const entry of await readdir(path)) await giveTo(account, join(path, entry));
}

async function idOfNobody(flag: '-u' | '-g'): Promise<number> {
  const { stdout } = await promisify(execFile)('id', [flag, 'nobody']).catch(() => {
    throw new EmbeddedPostgresError(
      'PostgreSQL does not run as root and this machine has no user "nobody"; start ffmpeg-master as an ordinary user.',
    );
  });
  return Number(stdout.trim());
}

/** A private umask (077) would shut the server out of the folders that were just made for it. */
async function openPath(top: string, bottom: string): Promise<void> {
  for (let folder = resolve(bottom); folder.length >= resolve(top).length; folder = dirname(folder)) {
    await chmod(folder, 0o755);
  }
}

function fromTheRoot(directory: string): string[] {
  const folders: string[] = [];
  const root = parse(resolve(directory)).root;
  for (let folder = resolve(directory); folder !== root; folder = dirname(folder)) folders.unshift(folder);
  return [root, ...folders];
}
