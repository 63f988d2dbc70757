import type { Provider } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { DatabaseMetrics } from './database.metrics.js';
import { PooledDatabase } from './pooled-database.js';
import { PrimaryReads, ReadDatabase } from './read-database.js';
import { ReplicaReads } from './replica-reads.js';
import { ReplicaMetrics } from './replica.metrics.js';

/** `ReadDatabase` for the repositories of lists and statistics: over a pool of its own where a replica is set. */
export const readDatabase: Provider = {
  provide: ReadDatabase,
  inject: [Settings, LOGGER, Metrics, DatabaseMetrics, PooledDatabase],
  useFactory: (
    { database: settings }: Settings,
    logger: Logger,
    metrics: Metrics,
    databaseMetrics: DatabaseMetrics,
    primary: PooledDatabase,
  ): ReadDatabase => {
    const replicaMetrics = new ReplicaMetrics(metrics);
    if (settings.replica_dsn === undefined) return new PrimaryReads(primary);
    const log = logger.child({ component: 'database' });
    const replica = new PooledDatabase({
      dsn: settings.replica_dsn,
      readWrite: false,
      maxOpenConns: settings.max_open_conns,
      maxIdleConns: settings.max_idle_conns,
      connMaxLifetimeMs: settings.conn_max_lifetime,
      connMaxIdleTimeMs: settings.conn_max_idle_time,
      metrics: databaseMetrics,
      onEvent: (message) => log.warn(`replica: ${message}`),
    });
    return new ReplicaReads({ primary, replica, metrics: replicaMetrics, log }).start();
  },
};
