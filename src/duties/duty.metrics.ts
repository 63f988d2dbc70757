import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';

@Injectable()
export class DutyMetrics {
  /** outcome: `done`, `failed`, `skipped` (the last run was still going) or `fenced` (the term was over). */
  readonly runs: Counter<'duty' | 'outcome'>;
  readonly rows: Counter<'duty'>;
  readonly seconds: Histogram<'duty'>;

  constructor(metrics: Metrics) {
    this.runs = metrics.counter({
      name: 'ffrtmp_duty_runs_total',
      help: 'Runs of each duty by outcome: done, failed, skipped (the last one was still going), fenced.',
      labelNames: ['duty', 'outcome'],
    });
    this.rows = metrics.counter({
      name: 'ffrtmp_duty_rows_total',
      help: 'Rows that each duty changed.',
      labelNames: ['duty'],
    });
    this.seconds = metrics.histogram({
      name: 'ffrtmp_duty_seconds',
      help: 'Time a run of each duty took.',
      labelNames: ['duty'],
      buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
    });
  }
}
