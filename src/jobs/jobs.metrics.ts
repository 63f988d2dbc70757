import { Injectable } from '@nestjs/common';
import type { Counter, CounterConfiguration } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';

/** A name of ffmpeg-rtmp, with its states. There it was a count of rows by state under the type of a counter. */
export const JOBS_TOTAL = {
  name: 'ffrtmp_jobs_total',
  help: 'Jobs that came to a state: pending and processing as each master did it, the ends as the leader counts them.',
  labelNames: ['state'],
} satisfies CounterConfiguration<'state'>;

@Injectable()
export class JobsMetrics {
  private readonly states: Counter<'state'>;
  private readonly engines: Counter<'engine'>;

  constructor(metrics: Metrics) {
    this.states = metrics.counter<'state'>(JOBS_TOTAL);
    this.engines = metrics.counter({
      name: 'ffrtmp_jobs_by_engine',
      help: 'Submitted jobs by the engine that they ask for.',
      labelNames: ['engine'],
    });
  }

  /** One statement's jobs, by engine. */
  submitted(engines: ReadonlyMap<string, number>): void {
    for (const [engine, jobs] of engines) {
      this.engines.inc({ engine }, jobs);
      this.states.inc({ state: 'pending' }, jobs);
    }
  }
}
