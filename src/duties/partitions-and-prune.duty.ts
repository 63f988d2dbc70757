import { Injectable } from '@nestjs/common';
import { parseDuration, type Milliseconds } from '../config/durations.js';
import { Settings } from '../config/settings.js';
import type { Term } from '../leadership/leadership.js';
import { Signals } from '../signals/signals.js';
import { type Duty, whileFull } from './duty.js';
import {
  PARTITIONED,
  PartitionsAndPruneRepository,
  PRUNED_A_STATEMENT,
} from './partitions-and-prune.repository.js';

/** A drop locks the table for everybody, if only for an instant, so not even trying goes on and on. */
const DROP_EVERY: Milliseconds = parseDuration('1m');

const DAY = parseDuration('1d');

/**
 * Makes the partitions of the days to come, drops those past retention, notes which numbers the finished
 * days hold, and removes what has outlived its use: idempotency keys of yesterday, masters that were not
 * seen for a day, nodes that were offline for seven.
 */
@Injectable()
export class PartitionsAndPrune implements Duty {
  readonly name = 'partitions-and-prune';
  #triedAt = -Infinity;
  /** Which of the tables is looked at first. */
  #turn = 0;

  constructor(
    private readonly repository: PartitionsAndPruneRepository,
    private readonly settings: Settings,
    private readonly signals: Signals,
  ) {}

  get every(): number {
    return this.settings.scheduler.cleanup_interval;
  }

  async run(term: Term): Promise<number> {
    const { repository } = this;
    let rows = await repository.makePartitions();
    rows += await whileFull(1, () => repository.closeDay(term));
    rows += await whileFull(PRUNED_A_STATEMENT, () => repository.pruneIdempotencyKeys(term));
    rows += await whileFull(PRUNED_A_STATEMENT, () => repository.pruneMasters(term));
    rows += await whileFull(PRUNED_A_STATEMENT, async () => {
      const nodes = await repository.pruneNodes(term);
      for (const node of nodes) this.signals.send('node', node);
      return nodes.length;
    });
    // The last, for a drop may fail on its time limit, and nothing else should wait for a better day.
    return rows + (await this.#dropOldPartition(term));
  }

  /** One of one table, at most one try a minute. */
  async #dropOldPartition(term: Term): Promise<number> {
    if (performance.now() - this.#triedAt < DROP_EVERY) return 0;
    this.#triedAt = performance.now();
    const { history, logs } = this.settings.retention;
    const days = { job_history: history / DAY, job_events: history / DAY, job_logs: logs / DAY };
    for (const table of [...PARTITIONED.slice(this.#turn), ...PARTITIONED.slice(0, this.#turn)]) {
      this.#turn = (PARTITIONED.indexOf(table) + 1) % PARTITIONED.length;
      const day = await this.repository.dropOldestPartition(term, table, Math.ceil(days[table]));
      if (day !== null) return 1;
    }
    return 0;
  }
}
