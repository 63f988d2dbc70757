import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { backoffTable } from '../jobs/backoff.js';
import { QueueRates } from '../jobs/queue-rates.js';
import type { Term } from '../leadership/leadership.js';
import { Signals } from '../signals/signals.js';
import { type Duty, whileMore } from './duty.js';
import { countFinished } from './jobs-finished.sql.js';
import { TIMEOUTS_A_STATEMENT, TimeOutJobsRepository } from './time-out-jobs.repository.js';

/** Ends attempts whose worker renews the lease but does not begin, does not end or does not get on. */
@Injectable()
export class TimeOutJobs implements Duty {
  readonly name = 'time-out-jobs';

  constructor(
    private readonly repository: TimeOutJobsRepository,
    private readonly settings: Settings,
    private readonly signals: Signals,
    private readonly rates: QueueRates,
  ) {}

  get every(): number {
    return this.settings.scheduler.scheduling_interval;
  }

  run(term: Term): Promise<number> {
    const { retry, timeouts, workers } = this.settings;
    const backoff = backoffTable(retry);
    return whileMore(TIMEOUTS_A_STATEMENT, async () => {
      const done = await this.repository.timeOut(term, timeouts, workers.lease_duration, backoff);
      if (done.due_at !== null) this.signals.send('due', String(done.due_at.getTime()));
      if (done.rows > 0) this.signals.send('event');
      countFinished(this.rates, done.finished);
      return done;
    });
  }
}
