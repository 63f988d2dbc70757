import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { QueueRates } from '../jobs/queue-rates.js';
import type { Term } from '../leadership/leadership.js';
import { Signals } from '../signals/signals.js';
import { type Duty, whileMore } from './duty.js';
import { countFinished } from './jobs-finished.sql.js';
import { LEASES_A_STATEMENT, RequeueExpiredLeasesRepository } from './requeue-expired-leases.repository.js';
import { signalLanes } from './waiting-again.sql.js';

/**
 * Jobs of workers that fell silent wait again at their old place, without backoff: the job is not to blame.
 * The attempt counts all the same, so that a job which kills every worker fails for good in the end.
 */
@Injectable()
export class RequeueExpiredLeases implements Duty {
  readonly name = 'requeue-expired-leases';

  constructor(
    private readonly repository: RequeueExpiredLeasesRepository,
    private readonly settings: Settings,
    private readonly signals: Signals,
    private readonly rates: QueueRates,
  ) {}

  get every(): number {
    return this.settings.workers.recovery_check_interval;
  }

  run(term: Term): Promise<number> {
    return whileMore(LEASES_A_STATEMENT, async () => {
      const done = await this.repository.requeue(term, this.settings.workers.lease_duration);
      signalLanes(this.signals, done.lanes);
      for (const queue of done.queues) this.signals.send('queue', queue);
      if (done.jobs > 0) this.signals.send('event');
      countFinished(this.rates, done.finished);
      return done;
    });
  }
}
