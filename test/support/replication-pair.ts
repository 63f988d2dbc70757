/** A primary and a standby that streams from it: what a fail-over needs. */
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { stopEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { giveTo, serverAccount } from '../../src/database/embedded/server-account.js';
import { restartTestPostgres, startTestPostgres, type TestPostgres } from './test-postgres.js';

export interface ReplicationPair {
  readonly primary: TestPostgres;
  readonly standby: TestPostgres;
  /** One dsn with both hosts, the standby first. */
  readonly dsn: string;
  /** Makes the standby a primary; answers when it takes writes. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/** @param ofStandby settings of its server */
export async function startReplicationPair(
  ofStandby: Readonly<Record<string, string>> = {},
): Promise<ReplicationPair> {
  const primary = await startTestPostgres();
  // Copied while it is down, so that the copy is whole without a base backup.
  await stopEmbeddedPostgres(primary.directory);
  const upstream = new URL(primary.adminDsn);
  const started = await startTestPostgres({
    prepare: async (directory) => {
      await cp(primary.directory, directory, { recursive: true, verbatimSymlinks: true });
      await rm(join(directory, 'postgresql/port'), { force: true });
      const data = join(directory, 'postgresql/data');
      await writeFile(join(data, 'standby.signal'), '');
      await giveTo(await serverAccount(), data);
    },
    settings: {
      ...ofStandby,
      wal_retrieve_retry_interval: '100ms',
      primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres password=${decodeURIComponent(upstream.password)}`,
    },
  });
  await restartTestPostgres(primary.directory);
  const both = new URL(primary.dsn);
  const hosts = `127.0.0.1:${started.port},127.0.0.1:${primary.port}`;
  return {
    primary,
    standby: started,
    dsn: `postgresql://${both.username}:${both.password}@${hosts}${both.pathname}${both.search}`,
    promote: async () => {
      const client = new pg.Client({ connectionString: started.adminDsn });
      await client.connect();
      await client.query('SELECT pg_promote(true)');
      await client.end();
    },
    stop: async () => {
      await Promise.all([primary.stop(), started.stop()]);
    },
  };
}
