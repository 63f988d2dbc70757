import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from '../../src/access/access.guard.js';
import { AdminKeyVerifier } from '../../src/access/admin-key-verifier.js';
import { KeyVerifier } from '../../src/access/key-verifier.js';

/** The guard of a master for routes of a spec, without a database: it knows MASTER_API_KEY alone. */
@Global()
@Module({
  providers: [
    { provide: KeyVerifier, useClass: AdminKeyVerifier },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [KeyVerifier],
})
export class GuardedModule {}
