import { Injectable } from '@nestjs/common';
import { AdminKeyVerifier } from './admin-key-verifier.js';
import { KeyVerifier } from './key-verifier.js';
import { KnownKeys } from './known-keys.js';
import type { Principal } from './principal.js';

/** MASTER_API_KEY, which needs no database, and then the keys that masters made. */
@Injectable()
export class MasterKeyVerifier extends KeyVerifier {
  constructor(
    private readonly admin: AdminKeyVerifier,
    private readonly keys: KnownKeys,
  ) {
    super();
  }

  override async verify(key: string): Promise<Principal | undefined> {
    return (await this.admin.verify(key)) ?? this.keys.verify(key);
  }
}
