import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { ApiKeyRow } from './api-key-row.js';

const COLUMNS = `k.id, k.prefix, k.tenant_id, k.name, k.role, k.scopes, k.node_id, k.replaces, k.created_by, k.created_at,
  k.expires_at, k.revoked_at, k.last_used_at`;

const INSERT_API_KEY = statement(
  'InsertApiKey',
  `INSERT INTO ffmpeg_master.api_keys AS k
     (id, prefix, digest, tenant_id, name, role, scopes, node_id, created_by, expires_at)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
   RETURNING ${COLUMNS}`,
);

const LIST_API_KEYS = statement(
  'ListApiKeys',
  `SELECT ${COLUMNS} FROM ffmpeg_master.api_keys k
   WHERE k.tenant_id = $1 AND k.id > $2 AND ($3 OR k.revoked_at IS NULL AND (k.expires_at > now()) IS NOT FALSE)
   ORDER BY k.id LIMIT $4`,
);

const GET_API_KEY = statement(
  'GetApiKey',
  `SELECT ${COLUMNS} FROM ffmpeg_master.api_keys k WHERE k.id = $1 AND k.tenant_id = $2`,
);

// The version last, so that the one row that all changes share is held for a moment only.
const CHANGED = (rows: string): string =>
  `UPDATE ffmpeg_master.access_version v SET version = v.version + 1 WHERE (SELECT count(*) FROM ${rows}) > 0`;

const REVOKE_API_KEY = statement(
  'RevokeApiKey',
  `WITH revoked AS (
     UPDATE ffmpeg_master.api_keys k SET revoked_at = coalesce(k.revoked_at, now())
     WHERE k.id = $1 AND k.tenant_id = $2 RETURNING ${COLUMNS}
   ), changed AS (${CHANGED('revoked')})
   SELECT k.* FROM revoked k`,
);

// The unique index decides between two rotations at once: the snapshot of the second, which waited for the old key's
// row, cannot see what the first has made.
const ROTATE_API_KEY = statement(
  'RotateApiKey',
  `WITH old AS MATERIALIZED (
     SELECT k.* FROM ffmpeg_master.api_keys k
     WHERE k.id = $1 AND k.tenant_id = $2 AND k.revoked_at IS NULL AND (k.expires_at > now()) IS NOT FALSE
     FOR UPDATE
   ), made AS (
     INSERT INTO ffmpeg_master.api_keys AS k
       (id, prefix, digest, tenant_id, name, role, scopes, node_id, replaces, created_by, expires_at)
     SELECT $3::uuid, $4::text, $5::bytea, o.tenant_id, o.name, o.role, o.scopes, o.node_id, o.id, $6::text,
            now() + (o.expires_at - o.created_at)
     FROM old o
     ON CONFLICT (replaces) WHERE revoked_at IS NULL DO NOTHING
     RETURNING ${COLUMNS}
   ), ending AS (
     UPDATE ffmpeg_master.api_keys k
     SET expires_at = least(k.expires_at, now() + make_interval(secs => $7::float8))
     FROM made m WHERE k.id = m.replaces RETURNING k.id
   ), changed AS (${CHANGED('ending')})
   SELECT k.* FROM made k`,
);

/** What a master keeps of a key in memory. */
export interface KnownKeyRow {
  readonly id: string;
  readonly prefix: string;
  readonly digest: Buffer;
  readonly tenant_id: string;
  readonly role: ApiKeyRow['role'];
  readonly scopes: ApiKeyRow['scopes'];
  readonly node_id: string | null;
  /** Milliseconds that it may still be used, by the clock of the database; null for ever, 0 where it is revoked. */
  readonly remaining: number | null;
}

const KNOWN = `k.id, k.prefix, k.digest, k.tenant_id, k.role, k.scopes, k.node_id,
  CASE WHEN k.revoked_at IS NOT NULL THEN 0
       WHEN k.expires_at IS NOT NULL THEN greatest(0, extract(epoch FROM k.expires_at - now()) * 1000)::float8 END AS remaining`;

const FIND_API_KEYS = statement(
  'FindApiKeys',
  `SELECT ${KNOWN} FROM ffmpeg_master.api_keys k WHERE k.prefix = ANY ($1::text[])`,
  { hot: true },
);

const READ_ACCESS_VERSION = statement(
  'ReadAccessVersion',
  `SELECT v.version FROM ffmpeg_master.access_version v`,
);

// SKIP LOCKED: all masters write the same minute of the same keys, and one of them is enough.
const NOTE_KEY_USE = statement(
  'NoteKeyUse',
  `UPDATE ffmpeg_master.api_keys k SET last_used_at = now()
   WHERE k.id = ANY (ARRAY(
     SELECT u.id FROM ffmpeg_master.api_keys u
     WHERE u.id = ANY ($1::uuid[]) AND (u.last_used_at > now() - interval '30 s') IS NOT TRUE
     ORDER BY u.id FOR NO KEY UPDATE SKIP LOCKED
   ))`,
);

export interface NewApiKey extends Pick<
  ApiKeyRow,
  'id' | 'prefix' | 'tenant_id' | 'name' | 'role' | 'created_by'
> {
  readonly digest: Buffer;
  readonly scopes: readonly string[] | null;
  readonly node_id: string | null;
  /** RFC 3339. */
  readonly expires_at: string | null;
}

@Injectable()
export class ApiKeysRepository {
  constructor(private readonly database: Database) {}

  async insert(key: NewApiKey): Promise<ApiKeyRow> {
    const rows = await this.database.query<ApiKeyRow>(INSERT_API_KEY, [
      key.id,
      key.prefix,
      key.digest,
      key.tenant_id,
      key.name,
      key.role,
      key.scopes,
      key.node_id,
      key.created_by,
      key.expires_at,
    ]);
    return rows[0] as ApiKeyRow;
  }

  /** @param all those that are revoked or expired as well */
  list(tenant_id: string, after: string, all: boolean, limit: number): Promise<ApiKeyRow[]> {
    return this.database.query<ApiKeyRow>(LIST_API_KEYS, [tenant_id, after, all, limit]);
  }

  async get(id: string, tenant_id: string): Promise<ApiKeyRow | undefined> {
    return (await this.database.query<ApiKeyRow>(GET_API_KEY, [id, tenant_id]))[0];
  }

  /** Undefined where the tenant has no such key; one that was revoked before stays as it is. */
  async revoke(id: string, tenant_id: string): Promise<ApiKeyRow | undefined> {
    return (await this.database.query<ApiKeyRow>(REVOKE_API_KEY, [id, tenant_id]))[0];
  }

  /** Undefined where there is no such live key, or one took its place already. */
  async rotate(
    id: string,
    tenant_id: string,
    made: Pick<NewApiKey, 'id' | 'prefix' | 'digest' | 'created_by'>,
    overlap_seconds: number,
  ): Promise<ApiKeyRow | undefined> {
    const values = [id, tenant_id, made.id, made.prefix, made.digest, made.created_by, overlap_seconds];
    return (await this.database.query<ApiKeyRow>(ROTATE_API_KEY, values))[0];
  }

  find(prefixes: readonly string[]): Promise<KnownKeyRow[]> {
    return this.database.query<KnownKeyRow>(FIND_API_KEYS, [prefixes]);
  }

  async version(): Promise<number> {
    return (await this.database.query<{ version: number }>(READ_ACCESS_VERSION))[0]?.version ?? 0;
  }

  async noteUse(ids: readonly string[]): Promise<void> {
    await this.database.query(NOTE_KEY_USE, [ids]);
  }
}
