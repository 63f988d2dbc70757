import { Inject, Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';
import { LOGGER, type Logger, createLogger } from './logger.js';
import { LoggingModule } from './logging.module.js';

@Injectable()
class Feature {
  constructor(@Inject(LOGGER) readonly logger: Logger) {}
}

@Module({ providers: [Feature] })
class FeatureModule {}

it('gives the one logger to modules that do not import it', async () => {
  const logger = createLogger({ level: 'silent', format: 'json' });
  const module = await Test.createTestingModule({
    imports: [LoggingModule.of(logger), FeatureModule],
  }).compile();
  expect(module.get(Feature).logger).toBe(logger);
  await module.close();
});
