/** A master as a process of the built program, behind links that can fail, with ways to hurt it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { eventually } from '../../support/eventually.js';
import { call } from '../../e2e/support/api.js';
import { freePort } from '../../e2e/support/free-port.js';
import { Program } from '../../e2e/support/program.js';
import type { DatabaseUnderTest } from './database-under-test.js';
import { FaultProxy } from './fault-proxy.js';

export const KEY = 'fault-test-admin-key';

export interface MasterOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** As faketime takes it: `+5m`, `-300`. Only the time of day is shifted. */
  readonly clock?: string;
  /** How long SIGUSR2 blocks its event loop; without it the hook is not loaded. */
  readonly blockMs?: number;
  /** Another build's main.js. */
  readonly build?: string;
  /** False: it connects to the database itself, not through links that can fail. Default true. */
  readonly linked?: boolean;
}

export class Master {
  /** Whether it was ready once: before that nobody is sent to it. */
  wasReady = false;

  private constructor(
    readonly program: Program,
    readonly url: string,
    readonly metricsUrl: string,
    /** To the hosts of the pool and of the direct sessions, in their order; the same ones where these are the same. */
    readonly links: readonly FaultProxy[],
  ) {}

  /** Starts it; does not wait until it is ready. */
  static async launch(database: DatabaseUnderTest, options: MasterOptions = {}): Promise<Master> {
    const links: FaultProxy[] = [];
    const through = async (hosts: DatabaseUnderTest['pool']) => {
      if (options.linked === false) return hosts;
      const made = await Promise.all(hosts.map((host) => FaultProxy.start(host)));
      links.push(...made);
      return made.map(({ port }) => ({ host: '127.0.0.1', port }));
    };
    const same = JSON.stringify(database.pool) === JSON.stringify(database.direct);
    const pool = await through(database.pool);
    const direct = same ? pool : await through(database.direct);
    const [port, metrics] = [await freePort(), await freePort()];
    const program = new Program(
      ['serve'],
      {
        DATABASE_DSN: database.dsn(pool),
        DATABASE_DIRECT_DSN: database.dsn(direct),
        API_HOST: '127.0.0.1',
        API_PORT: String(port),
        METRICS_PORT: String(metrics),
        MASTER_API_KEY: KEY,
        ...clockEnvironment(options.clock),
        ...blockEnvironment(options.blockMs),
        ...options.env,
      },
      options.build,
    );
    return new Master(program, `http://127.0.0.1:${port}`, `http://127.0.0.1:${metrics}`, links);
  }

  get pid(): number {
    return this.program.pid;
  }

  get running(): boolean {
    return this.program.running;
  }

  /** Until it is ready; throws with what it printed where it ended instead. */
  async ready(within = 30_000): Promise<this> {
    await eventually(
      async () => {
        if (!this.running) throw new Error(`the master ended:\n${this.program.output}`);
        const status = await this.probe('/health/ready');
        if (status !== 200) throw new Error(`the master is not ready (${status}):\n${this.program.output}`);
      },
      { within, every: 10 },
    );
    this.wasReady = true;
    return this;
  }

  /** The status of a probe; undefined where nobody answers. */
  async probe(path: string): Promise<number | undefined> {
    return (await call(`${this.url}${path}`).catch(() => undefined))?.status;
  }

  /** A figure of /metrics, summed over its labels, or those that hold `label`; 0 where it is not there. */
  async metric(name: string, label = ''): Promise<number> {
    const { body } = await call<string>(`${this.metricsUrl}/metrics`);
    const lines = body
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => line.includes(label));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  signal(name: NodeJS.Signals): void {
    this.program.child.kill(name);
  }

  /** kill -9; answers when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.program.exit();
  }

  async stop(): Promise<number | null> {
    // A process that is stopped hears no SIGTERM.
    if (this.running) this.signal('SIGCONT');
    for (const link of this.links) link.release();
    const status = await this.program.stop();
    await Promise.all(this.links.map((link) => link.close()));
    return status;
  }
}

/** The library of Debian's faketime; undefined where it is not installed. */
export function faketimeLibrary(): string | undefined {
  const folders = [
    '/usr/lib/x86_64-linux-gnu/faketime',
    '/usr/lib/aarch64-linux-gnu/faketime',
    '/usr/lib/faketime',
  ];
  return folders.map((folder) => join(folder, 'libfaketime.so.1')).find((file) => existsSync(file));
}

/** For any process that shall see another time of day; its monotonic clock stays, as on a real machine. */
export function clockEnvironment(clock: string | undefined): Record<string, string> {
  if (clock === undefined) return {};
  const library = faketimeLibrary();
  if (library === undefined)
    throw new Error('faketime is not installed; on Debian: apt-get install faketime');
  return {
    LD_PRELOAD: library,
    FAKETIME: clock,
    DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

function blockEnvironment(blockMs: number | undefined): Record<string, string> {
  if (blockMs === undefined) return {};
  const hook = pathToFileURL(join(import.meta.dirname, 'block-event-loop.mjs')).href;
  return { NODE_OPTIONS: `--import ${hook}`, BLOCK_EVENT_LOOP_MS: String(blockMs) };
}
