import { Global, Module } from '@nestjs/common';
import { Metrics } from './metrics.js';

/** Global: each feature makes its figures in the one registry. */
@Global()
@Module({ providers: [Metrics], exports: [Metrics] })
export class MetricsModule {}
