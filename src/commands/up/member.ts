/**
 * One process of a local cluster: a master or a worker. Started with a channel to this process, so that it
 * can tell when it is ready and notices when we are gone; started again a second after it died.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { Failure } from '../failures.js';

export interface MemberOptions {
  /** `master 1`. */
  readonly name: string;
  /** Arguments of this same program. No secrets: everybody can read them. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Told when it died and is started again. */
  readonly onDeath: (message: string) => void;
  /** What Node runs; default the program that runs now, with the flags of its Node. */
  readonly program?: readonly string[];
}

const RESTART_AFTER_MS = 1000;

export class Member {
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;
  #stopping = false;
  #wasReady = false;

  constructor(private readonly options: MemberOptions) {}

  get name(): string {
    return this.options.name;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when the process says that it is ready. Throws, with its last words, if it dies before. */
  async start(): Promise<void> {
    await this.#spawn();
    this.#wasReady = true;
  }

  /** Asks it to stop, and answers when it has; after `graceMs` it is killed. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await this.#exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#restart);
    this.#child?.kill('SIGKILL');
  }

  async #spawn(): Promise<void> {
    const { args, env, logFile, program = thisProgram() } = this.options;
    const log = await open(logFile, 'a', 0o600);
    const from = (await log.stat()).size;
    if (this.#stopping) {
      await log.close();
      throw new Failure(`${this.name} was not started, for the cluster stops`);
    }
    // In a session of its own: Ctrl-C must reach `up` alone, which then stops all in good order.
    const child = spawn(process.execPath, [...program, ...args], {
      env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
    });
    // Known from the moment it runs: a stop that came during the next wait would leave it behind.
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once('close', () => resolve()));
    const ready = this.#untilReady(child, from);
    ready.catch(() => undefined);
    await log.close();
    await ready;
  }

  #untilReady(child: ChildProcess, logFrom: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('error', reject);
      child.once('exit', (code, signal) => void this.#onExit(code, signal, logFrom).then(reject, reject));
    });
  }

  /** Answers why a start failed. */
  async #onExit(code: number | null, signal: NodeJS.Signals | null, logFrom: number): Promise<Failure> {
    this.#child = undefined;
    const how = signal ?? `exit status ${code}`;
    if (this.#wasReady && !this.#stopping) {
      this.options.onDeath(`${this.name} died (${how}); it starts again`);
      this.#restart = setTimeout(() => void this.#spawn().catch(() => undefined), RESTART_AFTER_MS);
    }
    const words = await lastWords(this.options.logFile, logFrom);
    return new Failure(`${this.name} did not start (${how}); its log is ${this.options.logFile}${words}`);
  }
}

function thisProgram(): string[] {
  return [...process.execArgv, process.argv[1] ?? ''];
}

const WORDS = 5;

async function lastWords(file: string, from: number): Promise<string> {
  const text = (await readFile(file).catch(() => Buffer.alloc(0))).subarray(from).toString('utf8').trim();
  if (text === '') return '';
  return `\n${text
    .split('\n')
    .slice(-WORDS)
    .map((line) => `  ${readable(line)}`)
    .join('\n')}`;
}

/** A line of our own log as its message. */
function readable(line: string): string {
  try {
    const { level, msg } = JSON.parse(line) as { level?: string; msg?: string };
    return msg === undefined ? line : `${level}: ${msg}`;
  } catch {
    return line;
  }
}
