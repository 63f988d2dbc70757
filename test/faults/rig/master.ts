/** A master as a process of the built program, behind links that can fail, with ways to hurt it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { request } from 'undici';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { Program } from '../../e2e/support/program.js';
import type { DatabaseUnderTest } from './database-under-test.js';
import { FaultProxy } from './fault-proxy.js';

/** Milliseconds for an answer that must come: within the second of a probe, a busy machine may not give it. */
export const DEMANDED = 15_000;

export const KEY = 'fault-test-admin-key';

export interface MasterOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** As faketime takes it: `+5m`, `-300`. Only the time of day is shifted. */
  readonly clock?: string;
  /** How long SIGUSR2 blocks its event loop; without it the hook is not loaded. */
  readonly blockMs?: number;
  /** Another build's main.js. */
  readonly build?: string;
  /** Where it runs instead of beside the test, and how both see each other. */
  readonly namespace?: { readonly name: string; readonly address: string; readonly outside: string };
  /** False: it connects to the database itself, not through links that can fail. Default true. */
  readonly linked?: boolean;
}

export class Master {
  /** Whether it was ready once: before that nobody is sent to it. */
  wasReady = false;
  /** The link between clients and it, where that can fail too. */
  front: FaultProxy | undefined;

  private constructor(
    readonly program: Program,
    readonly url: string,
    readonly metricsUrl: string,
    /** To the hosts of the pool and of the direct sessions, in their order; the same ones where these are the same. */
    readonly links: readonly FaultProxy[],
  ) {}

  /** Starts it, on other ports where somebody took the first ones meanwhile; does not wait until it is ready. */
  static async launch(database: DatabaseUnderTest, options: MasterOptions = {}): Promise<Master> {
    for (;;) {
      const master = await Master.spawn(database, options);
      if (!(await master.lostItsPort())) return master;
      await master.stop();
    }
  }

  private static async spawn(database: DatabaseUnderTest, options: MasterOptions): Promise<Master> {
    const links: FaultProxy[] = [];
    const { namespace } = options;
    const through = async (hosts: DatabaseUnderTest['pool']) => {
      if (namespace) return hosts.map(({ port }) => ({ host: namespace.outside, port }));
      if (options.linked === false) return hosts;
      const made = await Promise.all(hosts.map((host) => FaultProxy.start(host)));
      links.push(...made);
      return made.map(({ port }) => ({ host: '127.0.0.1', port }));
    };
    const same = JSON.stringify(database.pool) === JSON.stringify(database.direct);
    const pool = await through(database.pool);
    const direct = same ? pool : await through(database.direct);
    const host = namespace?.address ?? '127.0.0.1';
    const [port, metrics] = [await freePort(), await freePort()];
    const program = new Program(
      ['serve'],
      {
        DATABASE_DSN: database.dsn(pool),
        DATABASE_DIRECT_DSN: database.dsn(direct),
        API_HOST: host,
        API_PORT: String(port),
        METRICS_PORT: String(metrics),
        MASTER_API_KEY: KEY,
        ...clockEnvironment(options.clock),
        ...blockEnvironment(options.blockMs),
        ...options.env,
      },
      options.build,
      namespace && ['ip', 'netns', 'exec', namespace.name],
    );
    return new Master(program, `http://${host}:${port}`, `http://${host}:${metrics}`, links);
  }

  /** Waits until it listens, or has ended. */
  private async lostItsPort(): Promise<boolean> {
    return eventually(
      async () => {
        if (!this.running) return this.program.output.includes('is taken by another program');
        if ((await this.probe('/health/live')) === undefined) throw new Error('it does not listen yet');
        return false;
      },
      { within: 60_000, every: 10 },
    );
  }

  /** Where clients find it. */
  get address(): string {
    return this.front === undefined ? this.url : `http://127.0.0.1:${this.front.port}`;
  }

  /** Puts a link that can fail between clients and this master. */
  async linkFront(): Promise<FaultProxy> {
    const { hostname, port } = new URL(this.url);
    return (this.front ??= await FaultProxy.start({ host: hostname, port: Number(port) }));
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
  async probe(path: string, patience?: number): Promise<number | undefined> {
    return (await this.ask(`${this.url}${path}`, patience).catch(() => undefined))?.status;
  }

  /** The body of `/health`, `/cluster` or any other page; throws where nobody answers in time, by default a second. */
  async ask(url: string, patience = 1000): Promise<{ status: number; text: string }> {
    const headers = { authorization: `Bearer ${KEY}` };
    const response = await request(url, { headers, signal: AbortSignal.timeout(patience) });
    return { status: response.statusCode, text: await response.body.text() };
  }

  /** A figure of /metrics, summed over its labels, or those that hold `label`; 0 where it is not there. */
  async metric(name: string, label = ''): Promise<number> {
    const { text } = await this.ask(`${this.metricsUrl}/metrics`, 3000);
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => line.includes(label));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  signal(name: NodeJS.Signals): void {
    this.program.signal(name);
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
    await Promise.all([...this.links, ...(this.front ? [this.front] : [])].map((link) => link.close()));
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
