import { ROLE_PERMISSIONS, type Permission, type Role } from './permissions.js';

/** A row of `api_keys`, without the digest. */
export interface ApiKeyRow {
  readonly id: string;
  readonly prefix: string;
  readonly tenant_id: string;
  readonly name: string;
  readonly role: Role;
  readonly scopes: Permission[] | null;
  readonly node_id: string | null;
  readonly replaces: string | null;
  readonly created_by: string;
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
}

/** A key as `/api/v1/keys` answers it. Times are RFC 3339 in UTC. */
export interface ApiKeyView {
  id: string;
  /** The beginning of the key, by which it is known in lists and logs. */
  prefix: string;
  name: string;
  role: Role;
  /** What it may do. */
  permissions: Permission[];
  /** The only node that it may act for. */
  node_id: string | null;
  created_by: string;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  /** To the minute. */
  last_used_at: string | null;
}

/** A key that was just made: the only answer that ever holds it. */
export interface MintedApiKeyView extends ApiKeyView {
  key: string;
}

export function toApiKeyView(row: ApiKeyRow): ApiKeyView {
  return {
    id: row.id,
    prefix: row.prefix,
    name: row.name,
    role: row.role,
    permissions: [...permissionsOf(row)],
    node_id: row.node_id,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
  };
}

/** Of the role, as far as the key's scopes go. A role of a later version that is not known here may do nothing. */
export function permissionsOf({ role, scopes }: Pick<ApiKeyRow, 'role' | 'scopes'>): ReadonlySet<Permission> {
  const all: ReadonlySet<Permission> = ROLE_PERMISSIONS[role] ?? new Set();
  return scopes === null ? all : new Set(scopes.filter((scope) => all.has(scope)));
}
