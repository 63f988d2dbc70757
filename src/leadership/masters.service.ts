/** The masters of the cluster: this one's sign of life, and who else is there. */
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from '../logging/logger.js';
import type { Signals } from '../signals/signals.js';
import type { MasterIdentity } from './master-identity.js';
import type { Master, MastersRepository } from './masters.repository.js';

/** Milliseconds from one sign of life to the next; five in a row missing are an outage. */
const SEEN_EVERY = 1_000;

export interface Cluster {
  readonly epoch: number;
  /** Id of the master that leads, where one does. */
  readonly leader: string | null;
  readonly masters: readonly Master[];
}

export class MastersService implements OnApplicationBootstrap, OnApplicationShutdown {
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #failed = false;

  constructor(
    private readonly identity: MasterIdentity,
    private readonly repository: MastersRepository,
    private readonly signals: Signals,
    private readonly logger: Logger,
  ) {}

  list(): Promise<Master[]> {
    return this.repository.list();
  }

  async cluster(): Promise<Cluster> {
    const [epoch, masters] = await Promise.all([this.repository.epoch(), this.list()]);
    return { epoch, leader: masters.find(({ leader }) => leader)?.id ?? null, masters };
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.#see(), SEEN_EVERY);
    this.#see();
  }

  /** Takes this master off the list. Without a database it stays there until a duty removes it. */
  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.repository.forget(this.identity.id).catch(() => undefined);
  }

  #see(): void {
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  async #write(): Promise<void> {
    try {
      await this.repository.see(this.identity, this.signals.listenerState);
      this.#failed = false;
    } catch (error) {
      // Once an outage: it fails every second until the database is back.
      if (!this.#failed) this.logger.warn({ err: error }, 'could not write that this master lives');
      this.#failed = true;
    }
  }
}
