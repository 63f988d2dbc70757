import { Global, Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { Database } from '../database/database.js';
import { ServerLocator } from '../database/server-locator.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { Draining } from './draining.js';
import { ListeningSignals } from './listening-signals.js';
import { Signals } from './signals.js';
import { SignalMetrics } from './signals.metrics.js';
import { SignalsRepository } from './signals.repository.js';

/** Global: every feature tells of news, and asks whether this master is on its way out. */
@Global()
@Module({
  providers: [
    Draining,
    {
      provide: Signals,
      inject: [Settings, Database, Metrics, LOGGER],
      useFactory: (settings: Settings, database: Database, metrics: Metrics, logger: Logger) => {
        const repository = new SignalsRepository(database);
        const server = new ServerLocator(settings.database.direct_dsn ?? '');
        return new ListeningSignals({
          locate: async () => {
            server.forget();
            return (await server.locate()).config;
          },
          sendBeat: (payload) => repository.sendBeat(payload),
          pollInterval: settings.signals.poll_interval,
          metrics: new SignalMetrics(metrics.registry),
          logger: logger.child({ component: 'signals' }),
        });
      },
    },
  ],
  exports: [Draining, Signals],
})
export class SignalsModule {}
