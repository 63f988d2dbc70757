/** A server of Debian's package as the one database of a rig. */
import { type DatabaseUnderTest, dsnWith } from './database-under-test.js';
import type { DebianServer } from './debian-server.js';
import type { Address } from './fault-proxy.js';

export class DebianSingle implements DatabaseUnderTest {
  constructor(readonly server: DebianServer) {}

  get pool(): readonly Address[] {
    return [this.server.address];
  }

  get direct(): readonly Address[] {
    return this.pool;
  }

  dsn(hosts: readonly Address[]): string {
    return dsnWith(this.server.dsn, hosts);
  }

  adminDsn(hosts: readonly Address[]): string {
    return dsnWith(this.server.adminDsn, hosts);
  }

  logs(): Promise<string> {
    return this.server.logs();
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}
