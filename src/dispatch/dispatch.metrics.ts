import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';
import { JOBS_TOTAL } from '../jobs/jobs.metrics.js';
import { Metrics } from '../metrics/metrics.js';
import type { ReportOutcome, ReportStatus } from '../protocol/report.js';
import type { PartAnswer } from './claim.repository.js';
import type { ReportItem } from './report.repository.js';

/** What dispatch tells of itself on /metrics; figures of the whole cluster are a duty. */
@Injectable()
export class DispatchMetrics {
  private readonly slots: Counter<'outcome'>;
  private readonly perStatement: Histogram;
  private readonly reports: Counter<'status' | 'outcome'>;
  private readonly handedBack: Counter;
  private readonly attempts: Counter<'result'>;
  private readonly states: Counter<'state'>;

  constructor(private readonly metrics: Metrics) {
    this.slots = metrics.counter({
      name: 'ffrtmp_claim_slots_total',
      help: 'Slots of claims that rode in a statement, by what became of them.',
      labelNames: ['outcome'],
    });
    this.perStatement = metrics.histogram({
      name: 'ffrtmp_claim_statement_slots',
      help: 'Slots that shared one claim statement.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    });
    this.reports = metrics.counter({
      name: 'ffrtmp_reports_total',
      help: 'Reported results, by what they said and what they were told.',
      labelNames: ['status', 'outcome'],
    });
    this.handedBack = metrics.counter({
      name: 'ffrtmp_claims_taken_back_total',
      help: 'Jobs given to a connection that had closed, and handed back at once.',
    });
    this.states = metrics.counter<'state'>(JOBS_TOTAL);
    // ffmpeg-rtmp's name, so that its dashboards keep their line.
    this.attempts = metrics.counter({
      name: 'ffrtmp_schedule_attempts_total',
      help: 'Claim statements by result: success, no_jobs or error.',
      labelNames: ['result'],
    });
    // A line from the beginning: an alert on its rise would miss the first one.
    for (const result of ['success', 'no_jobs', 'error']) this.attempts.inc({ result }, 0);
  }

  handedOver(): void {
    this.slots.inc({ outcome: 'handed_over' });
    this.states.inc({ state: 'processing' });
  }

  watchClaims(count: () => number): void {
    this.metrics.gauge({
      name: 'ffrtmp_claims_waiting',
      help: 'Claims that are parked at this master.',
      collect() {
        this.set(count());
      },
    });
  }

  /** `wanted`: the slots that each part asked for. */
  claimed(answers: readonly PartAnswer[], wanted: readonly number[]): void {
    this.perStatement.observe(wanted.reduce((sum, slots) => sum + slots, 0));
    let taken = 0;
    answers.forEach((answer, index) => {
      taken += answer.attempts.length;
      const missing = (wanted[index] ?? 0) - answer.attempts.length;
      if (missing > 0) this.slots.inc({ outcome: outcomeOf(answer) }, missing);
    });
    if (taken > 0) {
      this.slots.inc({ outcome: 'taken' }, taken);
      this.states.inc({ state: 'processing' }, taken);
    }
    this.attempts.inc({ result: taken > 0 ? 'success' : 'no_jobs' });
  }

  claimFailed(): void {
    this.attempts.inc({ result: 'error' });
  }

  reported(items: readonly ReportItem[], outcomes: readonly ReportOutcome[]): void {
    const counts = new Map<string, { status: ReportStatus; outcome: ReportOutcome; count: number }>();
    items.forEach(({ status }, index) => {
      const outcome = outcomes[index] ?? 'stale';
      const same = counts.get(`${status} ${outcome}`);
      if (same) same.count += 1;
      else counts.set(`${status} ${outcome}`, { status, outcome, count: 1 });
    });
    // Finding a series costs, so it is done once for all that count towards it.
    for (const { status, outcome, count } of counts.values()) this.reports.inc({ status, outcome }, count);
  }

  takenBack(count: number): void {
    this.handedBack.inc(count);
  }
}

/** Why a part got less than it asked for. */
function outcomeOf({ again, able, full, refused }: PartAnswer): string {
  if (again) return 'again';
  if (!able) return 'node';
  if (full) return 'full';
  return refused ? 'queue' : 'lane';
}
