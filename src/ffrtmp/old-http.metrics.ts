/**
 * Traffic under the names of ffmpeg-rtmp, so that its dashboards show it; `endpoint` is the pattern of a route, never a
 * path. Sizes are those of bodies.
 */
import type { Metrics } from '../metrics/metrics.js';
import type { Distribution, TalliedCounter, TalliedHistogram, Tally } from '../metrics/tallies.js';

/** 100 bytes to 1 GB. */
const SIZES = Array.from({ length: 8 }, (_, power) => 100 * 10 ** power);

export interface Traffic {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  /** Bytes. */
  readonly received: number;
  readonly sent: number;
}

interface Figures {
  readonly received: Tally;
  readonly requestSizes: Distribution;
  readonly byStatus: Map<number, { readonly sent: Tally; readonly responseSizes: Distribution }>;
}

export class OldHttpMetrics {
  private readonly requests: Tally;
  private readonly inbound: Tally;
  private readonly outbound: Tally;
  private readonly requestBytes: TalliedCounter<'method' | 'endpoint'>;
  private readonly responseBytes: TalliedCounter<'method' | 'endpoint' | 'status'>;
  private readonly requestSizes: TalliedHistogram<'method' | 'endpoint'>;
  private readonly responseSizes: TalliedHistogram<'method' | 'endpoint' | 'status'>;
  /** By route, then by method. */
  private readonly figures = new Map<string, Map<string, Figures>>();

  constructor(metrics: Metrics) {
    const none: readonly never[] = [];
    this.requests = metrics
      .talliedCounter({ name: 'scheduler_http_requests_total', help: 'Requests answered.', labelNames: none })
      .series({});
    const bandwidth = metrics.talliedCounter({
      name: 'scheduler_http_bandwidth_bytes_total',
      help: 'Bytes of bodies, by direction: inbound or outbound.',
      labelNames: ['direction'],
    });
    this.inbound = bandwidth.series({ direction: 'inbound' });
    this.outbound = bandwidth.series({ direction: 'outbound' });
    this.requestBytes = metrics.talliedCounter({
      name: 'scheduler_http_request_bytes_total',
      help: 'Bytes of request bodies, by route.',
      labelNames: ['method', 'endpoint'],
    });
    this.responseBytes = metrics.talliedCounter({
      name: 'scheduler_http_response_bytes_total',
      help: 'Bytes of answers’ bodies, by route.',
      labelNames: ['method', 'endpoint', 'status'],
    });
    this.requestSizes = metrics.talliedHistogram({
      name: 'scheduler_http_request_size_bytes',
      help: 'Size of request bodies, by route.',
      labelNames: ['method', 'endpoint'],
      buckets: SIZES,
    });
    this.responseSizes = metrics.talliedHistogram({
      name: 'scheduler_http_response_size_bytes',
      help: 'Size of answers’ bodies, by route.',
      labelNames: ['method', 'endpoint', 'status'],
      buckets: SIZES,
    });
    this.perSecond(metrics);
    this.average(metrics, 'request', this.inbound);
    this.average(metrics, 'response', this.outbound);
  }

  answered({ method, route, status, received, sent }: Traffic): void {
    const of = this.figures.get(route)?.get(method) ?? this.begin(method, route);
    let answer = of.byStatus.get(status);
    if (answer === undefined) {
      const labels = { method, endpoint: route, status };
      answer = { sent: this.responseBytes.series(labels), responseSizes: this.responseSizes.series(labels) };
      of.byStatus.set(status, answer);
    }
    this.requests.count += 1;
    this.inbound.count += received;
    this.outbound.count += sent;
    of.received.count += received;
    of.requestSizes.observe(received);
    answer.sent.count += sent;
    answer.responseSizes.observe(sent);
  }

  /** Between two looks of Prometheus, or of whoever else looks. */
  private perSecond(metrics: Metrics): void {
    const directions = { inbound: this.inbound, outbound: this.outbound };
    const last = { at: performance.now(), inbound: 0, outbound: 0 };
    metrics.gauge<'direction'>({
      name: 'scheduler_bandwidth_bytes_per_second',
      help: 'Bytes of bodies a second since the last look, by direction: inbound or outbound.',
      labelNames: ['direction'],
      collect() {
        const now = performance.now();
        const seconds = (now - last.at) / 1000;
        for (const [direction, { count }] of Object.entries(directions)) {
          const key = direction as keyof typeof directions;
          this.set({ direction }, seconds > 0 ? (count - last[key]) / seconds : 0);
          last[key] = count;
        }
        last.at = now;
      },
    });
  }

  private average(metrics: Metrics, which: 'request' | 'response', bytes: Tally): void {
    const { requests } = this;
    metrics.gauge({
      name: `scheduler_http_${which}_size_bytes_avg`,
      help: `Bytes of a ${which}’s body, on average.`,
      collect() {
        this.set(requests.count === 0 ? 0 : bytes.count / requests.count);
      },
    });
  }

  private begin(method: string, route: string): Figures {
    const labels = { method, endpoint: route };
    const begun: Figures = {
      received: this.requestBytes.series(labels),
      requestSizes: this.requestSizes.series(labels),
      byStatus: new Map(),
    };
    const methods = this.figures.get(route) ?? new Map<string, Figures>();
    this.figures.set(route, methods.set(method, begun));
    return begun;
  }
}
