/**
 * The attempt folders of this worker process, below `<output_dir>/.attempts/<instance>/`. Several workers
 * may share one output directory (`up` runs two), so each process keeps its own and says who it is in
 * `owner.json`; a process that starts takes over what dead ones left, and nothing of the living.
 */

import { hostname, platform } from 'node:os';
import { lstat, mkdir, readFile, readdir, realpath, rename, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { AttemptDirectory } from './attempt-directory.js';
import { writeDurably } from './durable-file.js';

interface Owner {
  host: string;
  pid: number;
  /** When the process began, in clock ticks since boot; process ids are used again. Null where unknown. */
  started: string | null;
}

/** On another machine a process cannot be looked at: its owner file ages when nobody touches it. */
const FORSAKEN_AFTER_MS = 10 * 60_000;

export class AttemptStore {
  private constructor(
    readonly outputDir: string,
    private readonly folder: string,
  ) {}

  /** @throws Error naming the directory, where it cannot be written. */
  static async open(outputDir: string, instanceId: string): Promise<AttemptStore> {
    await mkdir(outputDir, { recursive: true });
    const real = await realpath(outputDir);
    const attempts = join(real, '.attempts');
    await mkdir(attempts, { recursive: true, mode: 0o700 });
    if (!(await lstat(attempts)).isDirectory()) throw new Error(`${attempts} must be a folder, not a link`);
    const folder = join(attempts, instanceId);
    // Recursive, for the last worker to leave may have removed `.attempts` just now.
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeDurably(join(folder, 'owner.json'), await thisProcess());
    return new AttemptStore(real, folder);
  }

  directory(jobId: string, leaseToken: number): AttemptDirectory {
    return new AttemptDirectory(join(this.folder, `${jobId}-${leaseToken}`), this.outputDir);
  }

  /** Tells other machines that this process lives. */
  async touch(): Promise<void> {
    const now = new Date();
    await utimes(join(this.folder, 'owner.json'), now, now).catch(() => undefined);
  }

  /** Attempts of dead processes, now this one's. Of several that start together, each gets some. */
  async adoptLeftovers(): Promise<AttemptDirectory[]> {
    const attempts = join(this.folder, '..');
    const adopted: AttemptDirectory[] = [];
    for (const instance of await readdir(attempts)) {
      const folder = join(attempts, instance);
      if (folder === this.folder || !(await isForsaken(folder))) continue;
      for (const name of await namesIn(folder)) {
        if (name.startsWith('owner.json')) continue;
        const mine = join(this.folder, name);
        // The rename decides between processes that start together: the second finds nothing to move.
        const won = await rename(join(folder, name), mine).then(
          () => true,
          () => false,
        );
        if (won) adopted.push(new AttemptDirectory(mine, this.outputDir));
      }
      await rm(join(folder, 'owner.json'), { force: true });
      await rmdir(folder).catch(() => undefined);
    }
    return adopted;
  }

  /** Removes the process's folder, unless attempts are left in it for a successor; the last one out removes `.attempts`. */
  async close(): Promise<void> {
    const left = (await namesIn(this.folder)).filter((name) => name !== 'owner.json');
    if (left.length > 0) return;
    await rm(this.folder, { recursive: true, force: true });
    await rmdir(join(this.folder, '..')).catch(() => undefined);
  }
}

async function isForsaken(folder: string): Promise<boolean> {
  const file = join(folder, 'owner.json');
  try {
    const owner = JSON.parse(await readFile(file, 'utf8')) as Owner;
    if (owner.host === hostname()) return !(await isAlive(owner));
    return Date.now() - (await stat(file)).mtimeMs > FORSAKEN_AFTER_MS;
  } catch {
    // No owner yet, or no longer: a process that just starts, unless the folder is old.
    const found = await stat(folder).catch(() => null);
    return found !== null && Date.now() - found.mtimeMs > FORSAKEN_AFTER_MS;
  }
}

async function isAlive({ pid, started }: Owner): Promise<boolean> {
  if (pid === process.pid && started === (await startOf(pid))) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return started === null || started === (await startOf(pid));
}

async function thisProcess(): Promise<Owner> {
  return { host: hostname(), pid: process.pid, started: await startOf(process.pid) };
}

async function startOf(pid: number): Promise<string | null> {
  if (platform() !== 'linux') return null;
  try {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; the 22nd field of the line is the 20th after it.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    // A zombie is dead, though its number is not free yet.
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
