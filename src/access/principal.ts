import type { Permission } from './permissions.js';

/** Who sends a request, as the guard found it by the key: the only source of a tenant. */
export interface Principal {
  readonly tenant_id: string;
  /** Who acted, for the event and audit logs; names a key, never shows it. */
  readonly actor: string;
  /** Of a key that a master made; MASTER_API_KEY has none. */
  readonly key_id?: string;
  readonly permissions: ReadonlySet<Permission>;
  /** Set where the key belongs to one node: it may act for that node alone. */
  readonly node_id?: string;
}

/** Until there are tenants, every key acts for this one. */
export const DEFAULT_TENANT = 'default';
