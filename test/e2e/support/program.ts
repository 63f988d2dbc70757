import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

const main = resolve(import.meta.dirname, '../../../dist/main.js');

const ENDING: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT'];

/** A process of the built program, with all that it printed. */
export class Program {
  readonly child: ChildProcess;
  output = '';
  private readonly exited: Promise<number | null>;
  private endIsWanted = false;

  /**
   * @param build another build's `main.js`, for tests of an upgrade
   * @param within a command that runs it, such as `ip netns exec NAME`, and becomes it
   */
  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    build = main,
    within: readonly string[] = [],
  ) {
    const [command = '', ...rest] = [...within, process.execPath, build, ...args];
    this.child = spawn(command, rest, {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.exited = once(this.child, 'close').then(() => this.child.exitCode);
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whether it ended and no test had a hand in that. */
  get endedByItself(): boolean {
    return !this.running && !this.endIsWanted;
  }

  /** Its end, whenever it comes, is the test's doing: by `signal` and `stop` it is known without. */
  mayEnd(): void {
    this.endIsWanted = true;
  }

  signal(name: NodeJS.Signals): void {
    if (ENDING.includes(name)) this.mayEnd();
    this.child.kill(name);
  }

  /** The exit status; null where a signal ended it. */
  exit(): Promise<number | null> {
    return this.exited;
  }

  /** Sends a signal and waits for the end; whoever does not end in time is killed, and the test fails. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', within = 40_000): Promise<number | null> {
    if (!this.running) return this.exited;
    this.signal(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), within);
    const status = await this.exited;
    clearTimeout(timer);
    return status;
  }
}

/** Runs a command to its end. */
export async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ status: number | null; output: string }> {
  const program = new Program(args, env);
  const status = await program.exit();
  return { status, output: program.output };
}
