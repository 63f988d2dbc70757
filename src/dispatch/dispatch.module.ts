import { Global, Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { LaneStatus } from '../jobs/lane-status.js';
import { ParkedWorkers } from '../jobs/parked-workers.js';
import { NodesModule } from '../nodes/nodes.module.js';
import { ArrivalsRepository } from './arrivals.repository.js';
import { ClaimRepository } from './claim.repository.js';
import { ClaimsService } from './claims.service.js';
import { DispatchController } from './dispatch.controller.js';
import { DispatchMetrics } from './dispatch.metrics.js';
import { HandOver } from './hand-over.js';
import { HandingOut } from './handing-out.service.js';
import { HeartbeatRepository } from './heartbeat.repository.js';
import { HeartbeatsService } from './heartbeats.service.js';
import { HeldAttempts } from './held-attempts.js';
import { HeldAttemptsRepository } from './held-attempts.repository.js';
import { LaneFit } from './lane-fit.js';
import { LaneWatch } from './lane-watch.js';
import { ParkedClaims } from './parked-claims.js';
import { QueueDirectory } from './queue-directory.js';
import { QueueFiguresRepository } from './queue-figures.repository.js';
import { QueuesController } from './queues.controller.js';
import { QueuesRepository } from './queues.repository.js';
import { QueuesService } from './queues.service.js';
import { ReportRepository } from './report.repository.js';
import { ReportsService } from './reports.service.js';

/** The hot path. Global, so that jobs can ask it why a lane stands still without importing upwards. */
@Global()
@Module({
  imports: [JobsModule, NodesModule],
  controllers: [DispatchController, QueuesController],
  providers: [
    ArrivalsRepository,
    ClaimRepository,
    ClaimsService,
    DispatchMetrics,
    HandOver,
    HandingOut,
    HeartbeatRepository,
    HeartbeatsService,
    HeldAttempts,
    HeldAttemptsRepository,
    LaneFit,
    LaneWatch,
    ParkedClaims,
    QueueDirectory,
    QueueFiguresRepository,
    QueuesRepository,
    QueuesService,
    ReportRepository,
    ReportsService,
    { provide: LaneStatus, useExisting: LaneFit },
    { provide: ParkedWorkers, useExisting: HandOver },
  ],
  exports: [
    LaneStatus,
    ParkedWorkers,
    ClaimsService,
    HandingOut,
    HeartbeatsService,
    HeldAttempts,
    QueueDirectory,
    ReportsService,
  ],
})
export class DispatchModule {}
