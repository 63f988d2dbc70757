import { Module } from '@nestjs/common';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { Settings } from '../config/settings.js';
import { openSession } from '../database/dedicated-session.js';
import { QueueRatesModule } from '../jobs/queue-rates.module.js';
import { Leadership } from '../leadership/leadership.js';
import { LeadershipModule } from '../leadership/leadership.module.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { SignalsModule } from '../signals/signals.module.js';
import { ClusterFigures } from './cluster-figures.duty.js';
import { ClusterFiguresRepository } from './cluster-figures.repository.js';
import type { Duty } from './duty.js';
import { DutyMetrics } from './duty.metrics.js';
import { DutyRunner } from './duty-runner.js';
import { EndedJobs } from './ended-jobs.duty.js';
import { EndedJobsRepository } from './ended-jobs.repository.js';
import { FencedStatements } from './fenced-statements.repository.js';
import { PartitionsAndPrune } from './partitions-and-prune.duty.js';
import { PartitionsAndPruneRepository } from './partitions-and-prune.repository.js';
import { PromoteDueJobs } from './promote-due-jobs.duty.js';
import { PromoteDueJobsRepository } from './promote-due-jobs.repository.js';
import { QueueSettings } from './queue-settings.duty.js';
import { QueueSettingsRepository } from './queue-settings.repository.js';
import { RequeueExpiredLeases } from './requeue-expired-leases.duty.js';
import { RequeueExpiredLeasesRepository } from './requeue-expired-leases.repository.js';
import { RetireSilentNodes } from './retire-silent-nodes.duty.js';
import { RetireSilentNodesRepository } from './retire-silent-nodes.repository.js';
import { TimeOutJobs } from './time-out-jobs.duty.js';
import { TimeOutJobsRepository } from './time-out-jobs.repository.js';
import { VacuumHotTables } from './vacuum-hot-tables.duty.js';
import { VacuumHotTablesRepository } from './vacuum-hot-tables.repository.js';

/** In the order in which a new leader runs them first: what others rely on, then what jobs wait for. */
const DUTIES = [
  PartitionsAndPrune,
  QueueSettings,
  RequeueExpiredLeases,
  PromoteDueJobs,
  TimeOutJobs,
  RetireSilentNodes,
  ClusterFigures,
  EndedJobs,
  VacuumHotTables,
];

@Module({
  imports: [ScheduleModule.forRoot(), SignalsModule, LeadershipModule, QueueRatesModule],
  providers: [
    ...DUTIES.filter((duty) => duty !== VacuumHotTables),
    {
      provide: VacuumHotTables,
      inject: [VacuumHotTablesRepository, Settings, Metrics],
      useFactory: (repository: VacuumHotTablesRepository, settings: Settings, metrics: Metrics) =>
        new VacuumHotTables(
          repository,
          () =>
            openSession({
              dsn: settings.database.direct_dsn ?? '',
              purpose: 'vacuum',
              settings: { lock_timeout: 3_000, client_connection_check_interval: 1_000 },
            }),
          metrics,
        ),
    },
    ClusterFiguresRepository,
    DutyMetrics,
    EndedJobsRepository,
    FencedStatements,
    PartitionsAndPruneRepository,
    PromoteDueJobsRepository,
    QueueSettingsRepository,
    RequeueExpiredLeasesRepository,
    RetireSilentNodesRepository,
    TimeOutJobsRepository,
    VacuumHotTablesRepository,
    {
      provide: DutyRunner,
      inject: [Leadership, SchedulerRegistry, DutyMetrics, LOGGER, ...DUTIES],
      useFactory: (
        leadership: Leadership,
        scheduler: SchedulerRegistry,
        metrics: DutyMetrics,
        logger: Logger,
        ...duties: Duty[]
      ) =>
        new DutyRunner({
          duties,
          leadership,
          scheduler,
          metrics,
          logger: logger.child({ component: 'duties' }),
        }),
    },
  ],
})
export class DutiesModule {}
