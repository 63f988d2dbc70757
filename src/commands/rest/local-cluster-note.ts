/**
 * The note that `up` leaves beside its data while it runs, so that other commands on this machine find its
 * masters and its key without being told.
 */
import { readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateFolder } from '../../config/state-folder.js';

export interface ClusterNote {
  pid: number;
  masters: string[];
  /** Where its database lies; absent in notes of an older program. */
  data_dir?: string;
  /** Absent where MASTER_API_KEY was given, which is never stored. */
  key_file?: string;
}

/** The cluster that runs now on a data directory; by default that of this user. */
export function readClusterNote(directory: string = defaultDirectory()): ClusterNote | undefined {
  try {
    const note = JSON.parse(readFileSync(noteFile(directory), 'utf8')) as ClusterNote;
    return isAlive(note.pid) ? note : undefined;
  } catch {
    return undefined;
  }
}

/** Left in the user's own folder too, for commands that are not told the data directory; the first cluster keeps it. */
export async function writeClusterNote(directory: string, note: ClusterNote): Promise<void> {
  const usual = defaultDirectory();
  if (usual !== directory && readClusterNote(usual) === undefined) {
    // Only a convenience: a folder that cannot be written keeps no cluster from running.
    await mkdir(usual, { recursive: true })
      .then(() => writeNote(usual, note))
      .catch(() => undefined);
  }
  await writeNote(directory, note);
}

async function writeNote(directory: string, note: ClusterNote): Promise<void> {
  await writeFile(noteFile(directory), `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600 });
}

/** Removes the notes of this process, and of no other. */
export function removeClusterNote(directory: string): void {
  for (const each of new Set([directory, defaultDirectory()])) {
    if (readClusterNote(each)?.pid === process.pid) rmSync(noteFile(each), { force: true });
  }
}

export function defaultDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return env['DATABASE_DATA_DIR'] || stateFolder(env);
}

function noteFile(directory: string): string {
  return join(directory, 'up.json');
}

/** A pid is given to another program after a reboot; on Linux its command line tells. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0up');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
