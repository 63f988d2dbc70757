/**
 * What every request passes, in this order:
 *
 *     id ─▶ route ─▶ key ─▶ body (JSON, size, depth, time) ─▶ permission ─▶ validation ─▶ controller
 *       any failure ─▶ problem document            answered ─▶ log line, figures by route pattern
 *
 * http-adapter.ts sets Fastify up, request-hooks.ts goes around every request, key-before-body.ts asks who
 * sends a body, access/ holds the guard, validation.pipe.ts checks what is sent, problem.filter.ts answers
 * what failed.
 */
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { KeyVerifier } from '../../access/key-verifier.js';
import type { ApiSettings } from '../../config/settings.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { Draining } from '../../signals/draining.js';
import type { Certificate } from '../tls/certificate.js';
import { AllowedMethods } from './allowed-methods.js';
import { refuseInWords } from './broken-request.js';
import { countOpenRequests } from './graceful-close.js';
import { createHttpAdapter, type ReceivingLimits } from './http-adapter.js';
import { askForKeyBeforeBody } from './key-before-body.js';
import { ProblemFilter } from './problem.filter.js';
import { QuietNestLogger } from './quiet-nest-logger.js';
import { addRequestHooks } from './request-hooks.js';
import { RequestValidation } from './validation.pipe.js';

export interface PipelineParts {
  readonly logger: Logger;
  /** Of `loadCertificate`; absent where `api.tls_enabled` is false. */
  readonly certificate?: Certificate;
  /** From the application once its modules stand. */
  readonly metrics: (app: INestApplication) => Metrics;
  readonly draining: (app: INestApplication) => Draining;
  /** Shorter ones for tests. */
  readonly limits?: ReceivingLimits;
}

/** An application of this module behind the pipeline; it does not listen yet. */
export async function createPipeline(
  module: Type | DynamicModule,
  api: ApiSettings,
  { logger, certificate, metrics, draining, limits }: PipelineParts,
): Promise<NestFastifyApplication> {
  const adapter = createHttpAdapter(api, certificate, limits);
  const allowed = new AllowedMethods(adapter.getInstance());
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new QuietNestLogger(logger),
    bodyParser: false,
    // An error while starting is the command's to tell, in a sentence.
    abortOnError: false,
  });
  app.useGlobalPipes(new RequestValidation());
  app.useGlobalFilters(new ProblemFilter(logger, allowed));
  countOpenRequests(adapter.getInstance());
  addRequestHooks(adapter.getInstance(), { logger, metrics: metrics(app), draining: draining(app) });
  refuseInWords(adapter.getInstance());
  askForKeyBeforeBody(adapter.getInstance(), app.get(KeyVerifier));
  return app;
}
