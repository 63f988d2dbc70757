import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';

@Injectable()
export class NodesMetrics {
  private readonly registrations: Counter<'outcome'>;

  constructor(metrics: Metrics) {
    this.registrations = metrics.counter({
      name: 'ffrtmp_node_registrations_total',
      help: 'Registrations of workers: of a new node (created), or of a known one (renewed)',
      labelNames: ['outcome'],
    });
    for (const outcome of ['created', 'renewed']) this.registrations.inc({ outcome }, 0);
  }

  registered(created: boolean): void {
    this.registrations.inc({ outcome: created ? 'created' : 'renewed' });
  }
}
