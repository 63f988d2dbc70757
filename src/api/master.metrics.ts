import { Injectable } from '@nestjs/common';
import { Metrics } from '../metrics/metrics.js';

@Injectable()
export class MasterMetrics {
  constructor(metrics: Metrics) {
    const started = performance.now();
    metrics.gauge({
      name: 'ffrtmp_master_uptime_seconds',
      help: 'For how long this master has run.',
      collect() {
        this.set((performance.now() - started) / 1000);
      },
    });
  }
}
