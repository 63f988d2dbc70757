import { Injectable } from '@nestjs/common';
import { uuidv7 } from 'uuidv7';
import { forbidden, invalid, notFound, conflict, type Problem } from '../protocol/problem.js';
import { Signals } from '../signals/signals.js';
import { mintKey } from './api-key.js';
import { type ApiKeyView, type MintedApiKeyView, permissionsOf, toApiKeyView } from './api-key-row.js';
import type { CreateApiKey, ListApiKeysQuery, RotateApiKey } from './api-key-requests.js';
import { ApiKeysRepository } from './api-keys.repository.js';
import type { Principal } from './principal.js';

export interface ApiKeyPage {
  items: ApiKeyView[];
  next_cursor: string | null;
}

const DEFAULT_PAGE = 50;
const DEFAULT_OVERLAP_SECONDS = 86_400;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

@Injectable()
export class ApiKeysService {
  constructor(
    private readonly keys: ApiKeysRepository,
    private readonly signals: Signals,
  ) {}

  /** 403 for a key that could do what the one who asks for it may not. */
  async create(principal: Principal, wanted: CreateApiKey): Promise<MintedApiKeyView> {
    const scopes = wanted.scopes ?? null;
    if (wanted.expires_at !== undefined && Date.parse(wanted.expires_at) <= Date.now())
      throw invalid('A key that has expired already is of no use; give an expires_at that is to come.', [
        { path: 'expires_at', message: 'must be to come' },
      ]);
    refuseMore(principal, permissionsOf({ role: wanted.role, scopes }), wanted.role);
    const { key, prefix, digest } = mintKey();
    const row = await this.keys.insert({
      id: uuidv7(),
      prefix,
      digest,
      tenant_id: principal.tenant_id,
      name: wanted.name,
      role: wanted.role,
      scopes,
      node_id: null,
      created_by: principal.actor,
      expires_at: wanted.expires_at ?? null,
    });
    return { ...toApiKeyView(row), key };
  }

  async list(principal: Principal, query: ListApiKeysQuery): Promise<ApiKeyPage> {
    const limit = query.limit ?? DEFAULT_PAGE;
    const { tenant_id } = principal;
    const rows = await this.keys.list(tenant_id, query.cursor ?? BEFORE_ALL, query.all ?? false, limit + 1);
    const page = rows.slice(0, limit);
    return {
      items: page.map(toApiKeyView),
      next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
  }

  async get(principal: Principal, id: string): Promise<ApiKeyView> {
    const row = await this.keys.get(id, principal.tenant_id);
    if (!row) throw keyNotFound();
    return toApiKeyView(row);
  }

  /** At every master within moments; a key that was revoked before is answered as it is. */
  async revoke(principal: Principal, id: string): Promise<ApiKeyView> {
    const row = await this.keys.revoke(id, principal.tenant_id);
    if (!row) throw keyNotFound();
    this.signals.send('key', id);
    return toApiKeyView(row);
  }

  /** A new key of the same rights and the same time to live; the old one works on for a while. */
  async rotate(
    principal: Principal,
    id: string,
    { overlap_seconds }: RotateApiKey,
  ): Promise<MintedApiKeyView> {
    const old = await this.keys.get(id, principal.tenant_id);
    if (!old) throw keyNotFound();
    refuseMore(principal, permissionsOf(old), old.role);
    const { key, prefix, digest } = mintKey();
    const made = { id: uuidv7(), prefix, digest, created_by: principal.actor };
    const overlap = overlap_seconds ?? DEFAULT_OVERLAP_SECONDS;
    const row = await this.keys.rotate(id, principal.tenant_id, made, overlap);
    if (!row)
      throw conflict(
        'The key is revoked or expired, or another one takes its place already: rotate that one, or create a new key.',
      );
    this.signals.send('key', id);
    return { ...toApiKeyView(row), key };
  }
}

/** Nobody gives away what they do not have. */
function refuseMore(principal: Principal, permissions: ReadonlySet<string>, role: string): void {
  const missing = [...permissions].filter((one) => !(principal.permissions as ReadonlySet<string>).has(one));
  if (missing.length > 0)
    throw forbidden(
      `Your key lacks ${missing.join(', ')}, so it can make no key of the role ${role} that has them; name fewer scopes.`,
    );
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** 404 for what can name no key. */
export function apiKeyId(id: string): string {
  const lower = id.toLowerCase();
  if (!UUID.test(lower)) throw keyNotFound();
  return lower;
}

function keyNotFound(): Problem {
  return notFound('There is no such key. Give an id as `keys list` shows them.');
}
