/** `ffmpeg-master up` as a process, in a folder and on ports of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stopEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { portsFrom, refuseTakenPorts } from '../../src/commands/up/ports.js';
import { eventually } from '../support/eventually.js';
import { claimPort } from '../support/free-port.js';

export const PROGRAM = resolve(import.meta.dirname, '../../dist/main.js');

export interface UpFolder {
  readonly path: string;
  readonly dataDir: string;
  /** Of the first master. */
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  /** Starts the program there. */
  run(args: readonly string[], env?: NodeJS.ProcessEnv): UpProcess;
  /** Command lines of all processes that were started there, the children's children included. */
  processes(): Promise<string[]>;
  /** Nothing that was started there runs any more. */
  isLeft(): Promise<void>;
  remove(): Promise<void>;
}

export interface UpProcess {
  readonly child: ChildProcess;
  /** Standard output so far. */
  output(): string;
  errors(): string;
  /** Milliseconds from the start until the output matched. */
  says(pattern: RegExp, within: number): Promise<number>;
  /** Exit status, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

const MARK = 'FFMPEG_MASTER_E2E';

export async function upFolder(): Promise<UpFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'ffmpeg-master-up-')));
  // PostgreSQL started by root runs as `nobody`, who must be able to pass.
  await chmod(path, 0o711);
  const dataDir = join(path, 'state');
  const port = await freePorts();
  const started: ChildProcess[] = [];
  const { MASTER_API_KEY: _key, MASTER_URL: _url, NODE_OPTIONS: _options, ...inherited } = process.env;
  const env = { ...inherited, [MARK]: path, DATABASE_DATA_DIR: dataDir };
  // PostgreSQL's log collector ends moments after its server, once nobody holds its pipe.
  const isLeft = (): Promise<void> =>
    eventually(
      async () => {
        const left = await processesWith(`${MARK}=${path}`);
        if (left.length > 0) throw new Error(`still there: ${left.join('; ')}`);
      },
      { within: 20_000 },
    );
  return {
    path,
    dataDir,
    port,
    env,
    run(args, more = {}) {
      const running = watched(
        spawn(process.execPath, [PROGRAM, ...args], { cwd: path, env: { ...env, ...more } }),
      );
      started.push(running.child);
      return running;
    },
    processes: () => processesWith(`${MARK}=${path}`),
    isLeft,
    async remove() {
      for (const child of started) child.kill('SIGKILL');
      await stopEmbeddedPostgres(dataDir);
      await isLeft();
      await rm(path, { recursive: true, force: true });
    },
  };
}

function watched(child: ChildProcess): UpProcess {
  const started = performance.now();
  let output = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('close', (code, signal) => resolve(signal ?? code)),
  );
  return {
    child,
    output: () => output,
    errors: () => errors,
    ended,
    async says(pattern, within) {
      await eventually(
        () => {
          if (pattern.test(output) || pattern.test(errors)) return;
          const state = child.exitCode === null ? 'running' : `ended with ${child.exitCode}`;
          throw new Error(`nothing matches ${pattern} (${state}) in:\n${output}\n${errors}`);
        },
        { within },
      );
      return performance.now() - started;
    },
  };
}

/** By their environment, which children inherit; /proc has it on Linux alone. */
async function processesWith(mark: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (!environment.split('\0').includes(mark)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command !== '') found.push(`${pid} ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}

/** Below those of other tests and above those that our PostgreSQL tries, all ports of a cluster at once. */
async function freePorts(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + PORTS_OF_A_CLUSTER * Math.floor(Math.random() * CLUSTERS);
    if (!claimPort(port)) continue;
    const free = await refuseTakenPorts(portsFrom(port, 3, 2)).then(
      () => true,
      () => false,
    );
    if (free) return port;
  }
}

/** Its runs of ports begin 1,010 and 1,111 above: so far apart, and so few, no two clusters' meet. */
const FIRST_PORT = 16_500;
const PORTS_OF_A_CLUSTER = 30;
const CLUSTERS = 33;
