import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { AdminKeyVerifier } from './admin-key-verifier.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysRepository } from './api-keys.repository.js';
import { ApiKeysService } from './api-keys.service.js';
import { KeyVerifier } from './key-verifier.js';
import { KnownKeys } from './known-keys.js';
import { MasterKeyVerifier } from './master-key-verifier.js';

@Global()
@Module({
  controllers: [ApiKeysController],
  providers: [
    AdminKeyVerifier,
    ApiKeysRepository,
    ApiKeysService,
    KnownKeys,
    { provide: KeyVerifier, useClass: MasterKeyVerifier },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [KeyVerifier],
})
export class AccessModule {}
