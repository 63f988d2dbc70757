import { Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { Signals } from '../signals/signals.js';
import { SignalsModule } from '../signals/signals.module.js';
import { Election } from './election.js';
import { Leadership } from './leadership.js';
import { LeadershipMetrics } from './leadership.metrics.js';
import { openLockSession } from './lock-session.js';
import { MasterIdentity } from './master-identity.js';
import { MastersRepository } from './masters.repository.js';
import { MastersService } from './masters.service.js';

@Module({
  imports: [SignalsModule],
  providers: [
    {
      provide: MasterIdentity,
      inject: [Settings],
      useFactory: (settings: Settings) => new MasterIdentity(settings),
    },
    {
      provide: MastersService,
      inject: [MasterIdentity, Database, Signals, LOGGER],
      useFactory: (identity: MasterIdentity, database: Database, signals: Signals, logger: Logger) =>
        new MastersService(identity, new MastersRepository(database), signals, logger),
    },
    {
      provide: Leadership,
      inject: [Settings, MasterIdentity, Signals, Metrics, LOGGER],
      useFactory: (
        settings: Settings,
        identity: MasterIdentity,
        signals: Signals,
        metrics: Metrics,
        logger: Logger,
      ) =>
        new Election({
          masterId: identity.id,
          enabled: settings.scheduler.enabled,
          openSession: () => openLockSession(settings.database.direct_dsn ?? ''),
          signals,
          metrics: new LeadershipMetrics(metrics.registry),
          logger: logger.child({ component: 'leadership' }),
        }),
    },
  ],
  exports: [MasterIdentity, MastersService, Leadership],
})
export class LeadershipModule {}
