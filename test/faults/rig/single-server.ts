/** One PostgreSQL, which a test may stop in every way and start again. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stopEmbeddedPostgres } from '../../../src/database/embedded/embedded-postgres.js';
import { processExists } from '../../../src/database/embedded/process-exists.js';
import { eventually } from '../../support/eventually.js';
import { serverLog } from '../../support/server-log.js';
import { restartTestPostgres, startTestPostgres, type TestPostgres } from '../../support/test-postgres.js';
import { type DatabaseUnderTest, dsnWith } from './database-under-test.js';
import type { Address } from './fault-proxy.js';

export type ServerStop = 'fast' | 'immediate' | 'kill';

export class SingleServer implements DatabaseUnderTest {
  private constructor(
    readonly server: TestPostgres,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<SingleServer> {
    return new SingleServer(await startTestPostgres({ settings }), settings);
  }

  get pool(): readonly Address[] {
    return [{ host: '127.0.0.1', port: this.server.port }];
  }

  get direct(): readonly Address[] {
    return this.pool;
  }

  dsn(hosts: readonly Address[]): string {
    return dsnWith(this.server.dsn, hosts);
  }

  adminDsn(hosts: readonly Address[]): string {
    return dsnWith(adminOf(this.server), hosts);
  }

  /** The process id of the server that runs now. */
  async pid(): Promise<number> {
    const file = await readFile(join(this.server.directory, 'postgresql/data/postmaster.pid'), 'utf8');
    return Number(file.split('\n', 1)[0]);
  }

  /** Stops it; answers when its process is gone. */
  async halt(how: ServerStop): Promise<void> {
    const pid = await this.pid();
    if (how === 'fast') return stopEmbeddedPostgres(this.server.directory);
    process.kill(pid, how === 'immediate' ? 'SIGQUIT' : 'SIGKILL');
    await eventually(() => {
      if (processExists(pid)) throw new Error(`the server ${pid} still runs`);
    });
  }

  /** Starts it again on the same port; answers when it accepts connections. */
  async resume(): Promise<void> {
    await restartTestPostgres(this.server.directory, { settings: this.settings });
  }

  logs(): Promise<string> {
    return serverLog(this.server);
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

/** The superuser's own DSN leads to his own database. */
export function adminOf({ dsn, adminDsn }: Pick<TestPostgres, 'dsn' | 'adminDsn'>): string {
  const url = new URL(adminDsn);
  url.pathname = new URL(dsn).pathname;
  return url.toString();
}
