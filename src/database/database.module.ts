import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { DatabaseStartup } from './database-startup.js';
import { Database } from './database.js';
import { DatabaseMetrics } from './database.metrics.js';
import { PooledDatabase } from './pooled-database.js';
import { ReadDatabase } from './read-database.js';
import { readDatabase } from './read-database.provider.js';
import { StatementGroups } from './statement-groups.js';

/** How long a start waits for the database before it goes on without, to answer probes. */
const startPatienceMs = 10_000;

/**
 * The database for every feature: `Database` for repositories, `ReadDatabase` for lists and statistics,
 * `DatabaseMetrics` for groups, `DatabaseStartup` for the readiness probe. With `database.type: embedded` the
 * command has started the server and filled in the DSNs before.
 */
@Global()
@Module({
  providers: [
    {
      provide: DatabaseMetrics,
      inject: [Metrics],
      useFactory: (metrics: Metrics) => new DatabaseMetrics(metrics.registry),
    },
    {
      provide: DatabaseStartup,
      inject: [Settings, LOGGER],
      useFactory: (
        { database: { dsn = '', direct_dsn = dsn, migrate_dsn = direct_dsn } }: Settings,
        logger: Logger,
      ) =>
        new DatabaseStartup({
          dsn,
          directDsn: direct_dsn,
          migrateDsn: migrate_dsn,
          log: logger.child({ component: 'database' }),
        }),
    },
    {
      provide: PooledDatabase,
      inject: [Settings, LOGGER, DatabaseMetrics, DatabaseStartup],
      useFactory: async (
        { database: settings }: Settings,
        logger: Logger,
        metrics: DatabaseMetrics,
        startup: DatabaseStartup,
      ) => {
        const log = logger.child({ component: 'database' });
        const database = new PooledDatabase({
          dsn: settings.dsn ?? '',
          maxOpenConns: settings.max_open_conns,
          maxIdleConns: settings.max_idle_conns,
          connMaxLifetimeMs: settings.conn_max_lifetime,
          connMaxIdleTimeMs: settings.conn_max_idle_time,
          metrics,
          gate: startup.whyNotReady,
          onEvent: (message) => log.warn(message),
        });
        try {
          await startup.begin(database, startPatienceMs);
        } catch (error) {
          await database.close();
          throw error;
        }
        return database;
      },
    },
    { provide: Database, useExisting: PooledDatabase },
    readDatabase,
    StatementGroups,
  ],
  exports: [Database, PooledDatabase, ReadDatabase, DatabaseMetrics, DatabaseStartup, StatementGroups],
})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(
    @Inject(PooledDatabase) private readonly database: PooledDatabase,
    @Inject(DatabaseStartup) private readonly startup: DatabaseStartup,
  ) {}

  /** The last of Nest's hooks: until then features may still write. */
  async onApplicationShutdown(): Promise<void> {
    this.startup.stop();
    await this.database.close();
  }
}
