import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import type { Term } from '../leadership/leadership.js';
import { Signals } from '../signals/signals.js';
import { type Duty, whileFull } from './duty.js';
import { NODES_A_STATEMENT, RetireSilentNodesRepository } from './retire-silent-nodes.repository.js';

/** Nodes that were not heard of for `timeouts.heartbeat_timeout` are offline until they are heard again. */
@Injectable()
export class RetireSilentNodes implements Duty {
  readonly name = 'retire-silent-nodes';

  constructor(
    private readonly repository: RetireSilentNodesRepository,
    private readonly settings: Settings,
    private readonly signals: Signals,
  ) {}

  get every(): number {
    return this.settings.scheduler.health_check_interval;
  }

  run(term: Term): Promise<number> {
    const { timeouts, workers } = this.settings;
    return whileFull(NODES_A_STATEMENT, async () => {
      const { nodes } = await this.repository.retire(
        term,
        workers.lease_duration,
        timeouts.heartbeat_timeout,
      );
      for (const node of nodes) this.signals.send('node', node);
      return nodes.length;
    });
  }
}
