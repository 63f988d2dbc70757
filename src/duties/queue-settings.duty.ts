import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import type { Term } from '../leadership/leadership.js';
import { Signals } from '../signals/signals.js';
import type { Duty } from './duty.js';
import { QueueSettingsRepository } from './queue-settings.repository.js';

/**
 * Writes the settings of the queues to the table `queues`, once a term: from then on the table is the truth,
 * the same one for masters whose files differ. A queue that gets a limit gets a counter of what it runs.
 */
@Injectable()
export class QueueSettings implements Duty {
  readonly name = 'queue-settings';
  readonly every = 'term';

  constructor(
    private readonly repository: QueueSettingsRepository,
    private readonly settings: Settings,
    private readonly signals: Signals,
  ) {}

  async run(term: Term): Promise<number> {
    const queues = Object.entries(this.settings.queues).map(([name, queue]) => ({
      name,
      rank: queue.rank ?? null,
      aging_step_us: queue.aging_step === undefined ? null : queue.aging_step * 1_000,
      max_running: queue.max_running ?? null,
    }));
    const changed = await this.repository.write(term, queues);
    for (const name of changed) this.signals.send('queue', name);
    return changed.length;
  }
}
