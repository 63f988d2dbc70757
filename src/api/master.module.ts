import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import type { Settings } from '../config/settings.js';
import { DatabaseModule } from '../database/database.module.js';
import { DispatchModule } from '../dispatch/dispatch.module.js';
import { DutiesModule } from '../duties/duties.module.js';
import { FfrtmpModule } from '../ffrtmp/ffrtmp.module.js';
import { HealthModule } from '../health/health.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { LeadershipModule } from '../leadership/leadership.module.js';
import type { Logger } from '../logging/logger.js';
import { LoggingModule } from '../logging/logging.module.js';
import { MetricsModule } from '../metrics/metrics.module.js';
import { NodesModule } from '../nodes/nodes.module.js';
import { SignalsModule } from '../signals/signals.module.js';
import { ClusterController } from './cluster/cluster.controller.js';
import { EventsModule } from './events/events.module.js';
import { MasterMetrics } from './master.metrics.js';
import { OpenApiModule } from './openapi/openapi.module.js';
import { SettingsModule } from './settings.module.js';

/** A master: all of its parts. */
@Module({
  imports: [
    MetricsModule,
    DatabaseModule,
    SignalsModule,
    LeadershipModule,
    AccessModule,
    JobsModule,
    NodesModule,
    DispatchModule,
    HealthModule,
    DutiesModule,
    EventsModule,
    OpenApiModule,
    FfrtmpModule,
  ],
  controllers: [ClusterController],
  providers: [MasterMetrics],
})
export class MasterModule {
  static with(settings: Settings, logger: Logger): DynamicModule {
    return { module: MasterModule, imports: [SettingsModule.of(settings), LoggingModule.of(logger)] };
  }
}
