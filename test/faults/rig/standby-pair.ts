/** A primary and a standby that streams from it, named together in one DSN; after a fail-over they swap their parts. */
import { eventually } from '../../support/eventually.js';
import { type DatabaseUnderTest, dsnWith } from './database-under-test.js';
import { DebianServer } from './debian-server.js';
import { FaultProxy, type Address } from './fault-proxy.js';

export interface StandbyPairOptions {
  /** True: a commit waits until the standby has it. Default false, as PostgreSQL's own. */
  readonly synchronous?: boolean;
  /** Milliseconds by which what the standby hears is late. */
  readonly lateBy?: number;
}

export class StandbyPair implements DatabaseUnderTest {
  private constructor(
    readonly servers: readonly [DebianServer, DebianServer],
    private readonly synchronous: boolean,
    public primary: DebianServer,
    public standby: DebianServer,
    private readonly link: FaultProxy | undefined,
    private readonly lateBy: number,
  ) {}

  static async start({ synchronous = false, lateBy = 0 }: StandbyPairOptions = {}): Promise<StandbyPair> {
    const primary = await DebianServer.create();
    const link = lateBy === 0 ? undefined : await FaultProxy.start(primary.address);
    const standby = await DebianServer.standbyOf(primary, link?.port);
    const pair = new StandbyPair([primary, standby], synchronous, primary, standby, link, lateBy);
    await pair.streams();
    if (link) link.delay = lateBy;
    return pair;
  }

  get pool(): readonly Address[] {
    return this.servers.map(({ address }) => address);
  }

  get direct(): readonly Address[] {
    return this.pool;
  }

  dsn(hosts: readonly Address[]): string {
    return dsnWith(this.primary.dsn, hosts);
  }

  adminDsn(hosts: readonly Address[]): string {
    return dsnWith(this.primary.adminDsn, hosts);
  }

  /** Answers when the standby streams and has all that the primary had when this was asked. */
  async streams(): Promise<void> {
    // Of now: under load the primary is always ahead of what it was told a moment ago.
    const written = await eventually(() => this.primary.sql('SELECT pg_current_wal_lsn()'), {
      within: 20_000,
    });
    await eventually(
      async () => {
        const there = await this.primary.sql(
          `SELECT coalesce(bool_and(state = 'streaming' AND replay_lsn >= '${written}'::pg_lsn), false) FROM pg_stat_replication WHERE application_name = 'standby'`,
        );
        if (there !== 't') throw new Error('the standby does not stream, or is behind');
      },
      { within: 60_000, every: 50 },
    );
    if (this.synchronous) await this.primary.sql(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
    if (this.synchronous) await this.primary.sql('SELECT pg_reload_conf()');
  }

  /** The old primary stays there and takes no writes any more; its sessions stay open. */
  async makePrimaryReadOnly(): Promise<void> {
    await this.primary.sql('ALTER SYSTEM SET default_transaction_read_only = on');
    await this.primary.sql('SELECT pg_reload_conf()');
  }

  /** The standby becomes the primary; answers when it took writes, by `performance.now()`. */
  async promote(): Promise<number> {
    await this.standby.promote();
    const promoted = performance.now();
    [this.primary, this.standby] = [this.standby, this.primary];
    if (this.synchronous) {
      await this.primary.sql('ALTER SYSTEM RESET synchronous_standby_names');
      await this.primary.sql('SELECT pg_reload_conf()');
    }
    return promoted;
  }

  /** The old primary comes back as a standby of the new one. */
  async rejoin(): Promise<void> {
    await this.standby.halt('immediate').catch(() => undefined);
    const { link } = this;
    // Not late while it copies and catches up: that would take as long as there are messages.
    if (link) link.delay = 0;
    link?.retarget(this.primary.address);
    await this.standby.copyFrom(this.primary, link?.port);
    await this.standby.start();
    await this.streams();
    if (link) link.delay = this.lateBy;
  }

  async logs(): Promise<string> {
    return (await Promise.all(this.servers.map((server) => server.logs()))).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
    await this.link?.close();
  }
}
