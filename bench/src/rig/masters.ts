/** Masters as they run in production: `serve` of the build, a process each, every feature on. */
import { freePort } from '../../../test/support/free-port.js';
import { Program } from '../../../test/e2e/support/program.js';
import { cpuOf } from './cpu.js';

export const KEY = 'bench-key-of-sixteen-characters';

export class Masters {
  private constructor(
    readonly dsn: string,
    readonly urls: readonly string[],
    private readonly programs: readonly Program[],
  ) {}

  /** Starts so many and waits until each is ready; `env` goes over the settings. */
  static async start(
    count: number,
    dsn: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Masters> {
    const urls: string[] = [];
    const programs: Program[] = [];
    for (let k = 0; k < count; k += 1) {
      const [port, metrics] = [await freePort(), await freePort()];
      programs.push(
        new Program(['serve'], {
          NODE_ENV: 'production',
          DATABASE_DSN: dsn,
          API_HOST: '127.0.0.1',
          API_PORT: String(port),
          METRICS_PORT: String(metrics),
          MASTER_API_KEY: KEY,
          LOGGING_LEVEL: 'info',
          ...env,
        }),
      );
      urls.push(`http://127.0.0.1:${port}`);
    }
    const masters = new Masters(dsn, urls, programs);
    await Promise.all(urls.map((_, k) => masters.ready(k)));
    return masters;
  }

  get pids(): number[] {
    return this.programs.map(({ pid }) => pid);
  }

  /** Seconds of CPU of all masters together. */
  cpu(): number {
    return this.pids.reduce((sum, pid) => sum + cpuOf(pid), 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.stop()));
  }

  private async ready(k: number): Promise<void> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const answer = await fetch(`${this.urls[k]}/health/ready`).catch(() => undefined);
      if (answer?.ok) return;
      const program = this.programs[k];
      if (!program?.running || performance.now() > deadline) {
        throw new Error(`a master did not get ready:\n${program?.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
