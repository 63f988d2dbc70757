import type { Metrics } from '../../metrics/metrics.js';
import type { Distribution, TalliedCounter, TalliedHistogram, Tally } from '../../metrics/tallies.js';

/** Requests by the pattern of their route, never by path: a path has ids in it. */
export class HttpMetrics {
  private readonly requests: TalliedCounter<'method' | 'route' | 'status'>;
  private readonly durations: TalliedHistogram<'method' | 'route'>;
  /** By route, then by method. */
  private readonly figures = new Map<string, Map<string, RouteFigures>>();

  constructor(metrics: Metrics) {
    this.requests = metrics.talliedCounter({
      name: 'ffrtmp_http_requests_total',
      help: 'Requests answered, by route pattern; `unmatched` had no route',
      labelNames: ['method', 'route', 'status'],
    });
    this.durations = metrics.talliedHistogram({
      name: 'ffrtmp_http_request_duration_seconds',
      help: 'Time to answer a request, by route pattern; a parked claim counts with its wait',
      labelNames: ['method', 'route'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    });
  }

  answered(method: string, route: string, status: number, seconds: number): void {
    const { byStatus, durations } = this.figures.get(route)?.get(method) ?? this.begin(method, route);
    let tally = byStatus.get(status);
    if (tally === undefined) byStatus.set(status, (tally = this.requests.series({ method, route, status })));
    tally.count += 1;
    durations.observe(seconds);
  }

  private begin(method: string, route: string): RouteFigures {
    const begun = { byStatus: new Map<number, Tally>(), durations: this.durations.series({ method, route }) };
    const methods = this.figures.get(route) ?? new Map<string, RouteFigures>();
    this.figures.set(route, methods.set(method, begun));
    return begun;
  }
}

interface RouteFigures {
  readonly byStatus: Map<number, Tally>;
  readonly durations: Distribution;
}
