import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { AdminKeyVerifier } from './admin-key-verifier.js';
import { KeyVerifier } from './key-verifier.js';

@Global()
@Module({
  providers: [
    { provide: KeyVerifier, useClass: AdminKeyVerifier },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [KeyVerifier],
})
export class AccessModule {}
