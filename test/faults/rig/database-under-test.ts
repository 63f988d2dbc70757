/** A database that masters of a fault test use, whatever stands behind its addresses. */
import pg from 'pg';
import { rowTypes } from '../../../src/database/row-types.js';
import type { Address } from './fault-proxy.js';

export interface DatabaseUnderTest {
  /** Where the pool of a master connects to: one server, several, or a pooler. In the order of the DSN. */
  readonly pool: readonly Address[];
  /** Where its lock session and its listener connect to. */
  readonly direct: readonly Address[];
  /** `postgresql://user:password@HOSTS/database?parameters`, with these hosts. */
  dsn(hosts: readonly Address[]): string;
  /** The same as the superuser. */
  adminDsn(hosts: readonly Address[]): string;
  /** What all servers have logged so far. */
  logs(): Promise<string>;
  stop(): Promise<void>;
}

export interface Credentials {
  readonly dsn: string;
  readonly adminDsn: string;
}

/** Writes DSNs of several hosts after the pattern of one for one host. */
export function dsnWith(pattern: string, hosts: readonly Address[]): string {
  const url = new URL(pattern);
  const authority = hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  const query = new URLSearchParams(url.search);
  query.set('sslmode', 'disable');
  if (hosts.length > 1) query.set('target_session_attrs', 'read-write');
  return `postgresql://${url.username}:${url.password}@${authority}${url.pathname}?${query.toString()}`;
}

/** Asks whichever server takes writes now, each time by a connection of its own. */
export async function queryPrimary<Row extends pg.QueryResultRow>(
  database: DatabaseUnderTest,
  sql: string,
  values: unknown[] = [],
  as: 'owner' | 'admin' = 'owner',
): Promise<Row[]> {
  let last: unknown;
  for (const host of database.direct) {
    const connectionString = as === 'admin' ? database.adminDsn([host]) : database.dsn([host]);
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2000, types: rowTypes });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ standby: boolean }>(
        `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS standby`,
      );
      if (rows[0]?.standby === false) return (await client.query<Row>(sql, values)).rows;
      last = new Error(`${host.host}:${host.port} is a standby`);
    } catch (error) {
      last = error;
    } finally {
      void client.end().catch(() => undefined);
    }
  }
  throw last instanceof Error ? last : new Error('no server takes writes');
}
