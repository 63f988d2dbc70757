/**
 * The note that `up` leaves beside its data while it runs, so that other commands on this machine find its
 * masters and its key without being told.
 */
import { readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateFolder } from '../../config/state-folder.js';

export interface ClusterNote {
  pid: number;
  masters: string[];
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

export async function writeClusterNote(directory: string, note: ClusterNote): Promise<void> {
  await writeFile(noteFile(directory), `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600 });
}

/** Removes the note of this process, and of no other. */
export function removeClusterNote(directory: string): void {
  if (readClusterNote(directory)?.pid === process.pid) rmSync(noteFile(directory), { force: true });
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
