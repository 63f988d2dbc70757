import { Injectable } from '@nestjs/common';
import type { Gauge } from 'prom-client';
import { dayOf } from '../../jobs/job-days.js';
import { Metrics } from '../../metrics/metrics.js';
import { EventStreamRepository } from './event-stream.repository.js';

/** Milliseconds one scrape may wait for the database. */
const SCRAPE_WITHIN = 500;

@Injectable()
export class EventStreamMetrics {
  /** Open streams of this master. */
  readonly streams: Gauge<'kind'>;

  constructor(metrics: Metrics, repository: EventStreamRepository) {
    this.streams = metrics.gauge({
      name: 'ffrtmp_event_streams',
      help: 'Open event streams: of all events, or of one job',
      labelNames: ['kind'],
    });
    for (const kind of ['all', 'job']) this.streams.set({ kind }, 0);
    metrics.gauge({
      name: 'ffrtmp_event_stream_horizon_seconds',
      help: 'For how long the oldest committed event has waited for a transaction that still runs, often a foreign one',
      async collect() {
        const late = new Promise<undefined>((resolve) => {
          setTimeout(() => resolve(undefined), SCRAPE_WITHIN).unref();
        });
        const asked = repository.heldBackSeconds(dayOf(Date.now())).catch(() => undefined);
        const seconds = await Promise.race([asked, late]);
        if (seconds !== undefined) this.set(seconds);
      },
    });
  }
}
