import { Injectable } from '@nestjs/common';
import type { Counter, Gauge } from 'prom-client';
import { Settings } from '../config/settings.js';
import { JOBS_TOTAL } from '../jobs/jobs.metrics.js';
import { Metrics } from '../metrics/metrics.js';
import type { Duty } from './duty.js';
import { EndedJobsRepository, type EndedJobsRow } from './ended-jobs.repository.js';

/**
 * Counts the jobs of the whole cluster that ended, under the names that ffmpeg-rtmp charts. Counters begin at nought with
 * each term, as with each start of a process: rates and increases know how to read that.
 */
@Injectable()
export class EndedJobs implements Duty {
  readonly name = 'ended-jobs';
  private readonly jobs: Counter<'state'>;
  private readonly completed: Counter<'engine'>;
  private readonly duration: Gauge;
  private readonly wait: Gauge;
  private counted: Date | undefined;

  constructor(
    private readonly repository: EndedJobsRepository,
    private readonly settings: Settings,
    metrics: Metrics,
  ) {
    this.jobs = metrics.counter<'state'>(JOBS_TOTAL);
    this.completed = metrics.counter({
      name: 'ffrtmp_jobs_completed_by_engine',
      help: 'Completed jobs by engine; auto counts as ffmpeg.',
      labelNames: ['engine'],
    });
    this.duration = metrics.gauge({
      name: 'ffrtmp_job_duration_seconds',
      help: 'How long the last jobs that ended ran, on average.',
    });
    this.wait = metrics.gauge({
      name: 'ffrtmp_job_wait_time_seconds',
      help: 'How long the last jobs that ended had waited for their last attempt, on average.',
    });
    this.forget();
  }

  get every(): number {
    return this.settings.scheduler.scheduling_interval;
  }

  onTerm(): () => void {
    return () => this.forget();
  }

  async run(): Promise<number> {
    const until = await this.repository.settledUntil();
    const rows = this.counted ? await this.repository.count(this.counted, until) : [];
    this.counted = until;
    for (const { status, engine, jobs } of rows) {
      this.jobs.inc({ state: status }, jobs);
      if (status === 'completed')
        this.completed.inc({ engine: engine === 'gstreamer' ? engine : 'ffmpeg' }, jobs);
    }
    const ran = total(rows, 'ran');
    if (ran > 0) {
      this.duration.set(total(rows, 'run_seconds') / ran);
      this.wait.set(total(rows, 'wait_seconds') / ran);
    }
    return 0;
  }

  /** What others count by the same name stays. */
  private forget(): void {
    this.counted = undefined;
    this.duration.remove();
    this.wait.remove();
  }
}

function total(rows: readonly EndedJobsRow[], figure: 'ran' | 'run_seconds' | 'wait_seconds'): number {
  return rows.reduce((sum, row) => sum + (row[figure] ?? 0), 0);
}
