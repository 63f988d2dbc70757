import { Injectable } from '@nestjs/common';
import { Database } from './database.js';
import { DatabaseMetrics } from './database.metrics.js';
import { Grouped, type GroupedOptions } from './grouped.js';

/** How long a group whose connection was lost waits for another, in milliseconds, before it gives up. */
const RECONNECT_WITHIN = 5000;

/** Makes the groups of a master: they tell their sizes on /metrics, and outlive a lost connection. */
@Injectable()
export class StatementGroups {
  constructor(
    private readonly database: Database,
    private readonly metrics: DatabaseMetrics,
  ) {}

  make<Item, Result>(
    options: Omit<GroupedOptions<Item, Result>, 'metrics' | 'reconnect'>,
  ): Grouped<Item, Result> {
    return new Grouped({
      ...options,
      metrics: this.metrics,
      reconnect: () => this.database.whenConnected(RECONNECT_WITHIN),
    });
  }
}
