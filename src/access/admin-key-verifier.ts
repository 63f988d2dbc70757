import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { KeyVerifier } from './key-verifier.js';
import { ROLE_PERMISSIONS } from './permissions.js';
import { DEFAULT_TENANT, type Principal } from './principal.js';

/**
 * Knows one key, MASTER_API_KEY: the first administrator, who exists before any key is in the database and
 * still when the database is away. Digests are compared, so that neither the key's length nor the first
 * wrong character shows in the time taken.
 */
@Injectable()
export class AdminKeyVerifier extends KeyVerifier {
  readonly #digest: Buffer | undefined;
  /**
   * The key itself, once it was sent: a digest costs as much as the whole guard, and every request has one. A
   * set compares texts only where their hashes, seeded anew in each process, are equal, so that it tells no
   * more of the key by its time than the comparison of digests does.
   */
  readonly #known = new Set<string>();
  readonly #admin: Principal = {
    tenant_id: DEFAULT_TENANT,
    actor: 'admin',
    permissions: ROLE_PERMISSIONS.superadmin,
  };

  constructor(settings: Settings) {
    super();
    if (settings.master_api_key) this.#digest = digest(Buffer.from(settings.master_api_key, 'utf8'));
  }

  override async verify(key: string): Promise<Principal | undefined> {
    if (this.#known.has(key)) return this.#admin;
    if (this.#digest === undefined) return undefined;
    if (!timingSafeEqual(this.#digest, digest(Buffer.from(key, 'latin1')))) return undefined;
    this.#known.add(key);
    return this.#admin;
  }
}

function digest(key: Buffer): Buffer {
  return createHash('sha256').update(key).digest();
}
