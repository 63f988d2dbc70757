import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Signals } from '../signals/signals.js';
import type { QueueSettings } from './lane-order.js';
import { QueuesRepository } from './queues.repository.js';

/**
 * The settings of all queues, in memory. What must hold at once (a paused queue, a limit) is decided in
 * the claim's statement; this copy only orders lanes and tells clients what a job waits for.
 */
@Injectable()
export class QueueDirectory implements OnModuleInit, OnModuleDestroy {
  private queues = new Map<string, QueueSettings>();
  private readonly listeners = new Set<() => void>();
  private readonly unsubscribe: (() => void)[] = [];
  private loading: Promise<void> | undefined;
  private nextLoad: Promise<void> | undefined;

  constructor(
    private readonly repository: QueuesRepository,
    private readonly signals: Signals,
  ) {}

  onModuleInit(): void {
    const load = () => void this.load().catch(untilNextResync);
    this.unsubscribe.push(this.signals.on('queue', load), this.signals.onResync(load));
  }

  onModuleDestroy(): void {
    for (const off of this.unsubscribe) off();
  }

  /** A queue's settings; the defaults for one that has none yet. */
  get(name: string): QueueSettings {
    return (
      this.queues.get(name) ?? {
        name,
        rank: null,
        aging_step_us: null,
        max_running: null,
        paused: false,
        at_limit: false,
      }
    );
  }

  /** Calls `listener` after each change. */
  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  /** By a read that began after this call: one is in flight, and all who ask meanwhile share the next. */
  load(): Promise<void> {
    if (!this.loading) return (this.loading = this.read().finally(() => (this.loading = undefined)));
    this.nextLoad ??= this.loading.catch(untilNextResync).then(() => {
      this.nextLoad = undefined;
      return this.load();
    });
    return this.nextLoad;
  }

  private async read(): Promise<void> {
    const rows = await this.repository.settings();
    const before = JSON.stringify([...this.queues.values()]);
    this.queues = new Map(rows.map((row) => [row.name, row]));
    if (JSON.stringify(rows) !== before) for (const listener of this.listeners) listener();
  }
}

/** The database is away: others log that, and each resync tries again. */
function untilNextResync(): void {}
