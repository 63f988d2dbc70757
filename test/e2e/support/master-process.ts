/** A master of any build, as a process of its own, on any database. */
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { call } from './api.js';
import { Program } from './program.js';

export const KEY = 'end-to-end-test-key';

export interface MasterProcess {
  readonly program: Program;
  readonly url: string;
  readonly metricsUrl: string;
}

export interface MasterProcessOptions {
  readonly dsn: string;
  /** Its `main.js`; default the present build's. */
  readonly build?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one, and does not wait for it. */
export async function spawnMaster({ dsn, build, env = {} }: MasterProcessOptions): Promise<MasterProcess> {
  const [port, metrics] = [await freePort(), await freePort()];
  const program = new Program(
    ['serve'],
    {
      DATABASE_DSN: dsn,
      API_HOST: '127.0.0.1',
      API_PORT: String(port),
      METRICS_PORT: String(metrics),
      MASTER_API_KEY: KEY,
      ...env,
    },
    build,
  );
  return { program, url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${metrics}` };
}

/** Waits until it may be sent requests; throws what it printed where it ended or did not get there. */
export function untilReady({ program, url }: MasterProcess, within = 30_000): Promise<void> {
  return eventually(
    async () => {
      if (!program.running) throw new Error(`the master ended:\n${program.output}`);
      const { status } = await call(`${url}/health/ready`);
      if (status !== 200) throw new Error(`the master is not ready (${status}):\n${program.output}`);
    },
    { within },
  );
}

export async function leads({ program, url }: MasterProcess): Promise<boolean> {
  if (!program.running) return false;
  return (await call(`${url}/health/leader`).catch(() => undefined))?.status === 200;
}
