import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { MasterIdentity } from '../leadership/master-identity.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { QueueRates } from './queue-rates.js';
import { QueueRatesRepository } from './queue-rates.repository.js';

/** Milliseconds. */
const WRITE_EVERY = 5_000;

/** Milliseconds: what stays the same is written again in time, since readers take no row older than 15 s. */
const REPEAT_AFTER = 10_000;

/** Shares the rates of this master's queues, for `GET /queues` of any master. A silent one writes nothing. */
@Injectable()
export class QueueRatesService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private written = '[]';
  private writtenAt = -Infinity;

  constructor(
    private readonly rates: QueueRates,
    private readonly repository: QueueRatesRepository,
    private readonly identity: MasterIdentity,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.writing ??= this.write().finally(() => (this.writing = undefined));
    }, WRITE_EVERY);
  }

  /** Rates are of the masters that live. The rows of one that died count no more after 15 s. */
  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.writing;
    if (this.written !== '[]') await this.repository.write(this.identity.id, []).catch(() => undefined);
  }

  /** Writes where there is news, or where readers would soon forget. */
  async write(): Promise<void> {
    const rates = this.rates.lastMinute();
    const text = JSON.stringify(rates);
    const stale = rates.length > 0 && performance.now() - this.writtenAt >= REPEAT_AFTER;
    if (text === this.written && !stale) return;
    try {
      await this.repository.write(this.identity.id, rates);
      this.written = text;
      this.writtenAt = performance.now();
    } catch (error) {
      this.logger.debug({ err: error }, 'could not write the rates of the queues');
    }
  }
}
