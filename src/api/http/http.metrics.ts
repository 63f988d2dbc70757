import type { Counter, Histogram } from 'prom-client';
import type { Metrics } from '../../metrics/metrics.js';

/** Requests by the pattern of their route, never by path: a path has ids in it. */
export class HttpMetrics {
  private readonly requests: Counter<'method' | 'route' | 'status'>;
  private readonly durations: Histogram<'method' | 'route'>;

  constructor(metrics: Metrics) {
    this.requests = metrics.counter({
      name: 'ffrtmp_http_requests_total',
      help: 'Requests answered, by route pattern; `unmatched` had no route',
      labelNames: ['method', 'route', 'status'],
    });
    this.durations = metrics.histogram({
      name: 'ffrtmp_http_request_duration_seconds',
      help: 'Time to answer a request, by route pattern; a parked claim counts with its wait',
      labelNames: ['method', 'route'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    });
  }

  answered(method: string, route: string, status: number, seconds: number): void {
    this.requests.inc({ method, route, status });
    this.durations.observe({ method, route }, seconds);
  }
}
