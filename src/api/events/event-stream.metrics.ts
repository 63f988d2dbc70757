import { Injectable } from '@nestjs/common';
import type { Gauge } from 'prom-client';
import { Metrics } from '../../metrics/metrics.js';

@Injectable()
export class EventStreamMetrics {
  /** Open streams of this master. */
  readonly streams: Gauge<'kind'>;

  constructor(metrics: Metrics) {
    this.streams = metrics.gauge({
      name: 'ffrtmp_event_streams',
      help: 'Open event streams: of all events, or of one job',
      labelNames: ['kind'],
    });
    for (const kind of ['all', 'job']) this.streams.set({ kind }, 0);
  }
}
