import type { Counter, Gauge } from 'prom-client';
import type { Metrics } from '../metrics/metrics.js';

/** Without `database.replica_dsn` they show no line. */
export class ReplicaMetrics {
  readonly up: Gauge;
  readonly behind: Gauge;
  readonly reads: Counter<'server'>;

  constructor(metrics: Metrics) {
    this.up = metrics.gauge({
      name: 'ffrtmp_replica_up',
      help: '1 while lists and statistics are read from the replica, 0 while they fall back to the primary.',
    });
    this.behind = metrics.gauge({
      name: 'ffrtmp_replica_behind_seconds',
      help: 'How far the replica was behind the primary at the last look.',
    });
    this.reads = metrics.counter({
      name: 'ffrtmp_replica_reads_total',
      help: 'Lists and statistics by the server that answered: replica, or primary where the replica could not.',
      labelNames: ['server'],
    });
    this.up.remove();
    this.behind.remove();
  }
}
