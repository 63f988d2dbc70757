/** One PostgreSQL with PgBouncer in transaction mode before it: the pool goes through, the direct sessions past it. */
import { startPgBouncer, pgbouncerProgram, type PgBouncer } from '../../support/pgbouncer.js';
import type { DatabaseUnderTest } from './database-under-test.js';
import type { Address } from './fault-proxy.js';
import { SingleServer } from './single-server.js';

export class PooledServer implements DatabaseUnderTest {
  private constructor(
    readonly server: SingleServer,
    private readonly bouncer: PgBouncer,
    readonly pool: readonly Address[],
  ) {}

  /** @param poolSize connections to the server */
  static async start(poolSize = 20): Promise<PooledServer> {
    const program = pgbouncerProgram();
    if (program === undefined)
      throw new Error('pgbouncer is not installed; on Debian: apt-get install pgbouncer');
    const server = await SingleServer.start();
    const bouncer = await startPgBouncer(program, server.dsn(server.direct), poolSize);
    const { port } = new URL(bouncer.dsn);
    return new PooledServer(server, bouncer, [{ host: '127.0.0.1', port: Number(port) }]);
  }

  get direct(): readonly Address[] {
    return this.server.direct;
  }

  dsn(hosts: readonly Address[]): string {
    return this.server.dsn(hosts);
  }

  adminDsn(hosts: readonly Address[]): string {
    return this.server.adminDsn(hosts);
  }

  logs(): Promise<string> {
    return this.server.logs();
  }

  async stop(): Promise<void> {
    await this.bouncer.stop();
    await this.server.stop();
  }
}
