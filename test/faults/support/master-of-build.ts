/** A master of any build on any database, for tests in which versions meet or many start at once. */
import { call } from '../../e2e/support/api.js';
import { KEY, type MasterProcess } from '../../e2e/support/cluster.js';
import { freePort } from '../../e2e/support/free-port.js';
import { Program } from '../../e2e/support/program.js';
import { eventually } from '../../support/eventually.js';

export interface MasterOfBuild {
  readonly dsn: string;
  /** Its `main.js`; default the present build's. */
  readonly build?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one, and does not wait for it. */
export async function spawnMaster({ dsn, build, env = {} }: MasterOfBuild): Promise<MasterProcess> {
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

/** Waits until it may be sent requests; throws at once where it ended. */
export function untilReady({ program, url }: MasterProcess, within = 30_000): Promise<void> {
  let status: number | undefined;
  return eventually(
    async () => {
      if (program.running) status = (await call(`${url}/health/ready`).catch(() => undefined))?.status;
      if (status !== 200) throw new Error(`the master is not ready:\n${program.output}`);
    },
    { within, every: 200 },
  );
}

export async function leads({ program, url }: MasterProcess): Promise<boolean> {
  if (!program.running) return false;
  return (await call(`${url}/health/leader`).catch(() => undefined))?.status === 200;
}
