import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { PingRepository } from './ping.repository.js';

/**
 * Milliseconds. A probe is answered within a second, frozen database and exhausted pool included; what is left of it is
 * for a machine that is busy (of 800, a shared one took 212 more).
 */
const ANSWER_WITHIN = 600;
/** However many probes there are, the database is asked once in this time. */
const FRESH_FOR = 500;

/**
 * Whether a statement gets through now. A pool that has no connection to give for most of a second is
 * `down` too: this master could serve nobody better than it serves the probe.
 */
@Injectable()
export class DatabaseIndicator {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly repository: PingRepository,
  ) {}

  async check(): Promise<HealthIndicatorResult<'database'>> {
    const session = this.indicators.check('database');
    const result = await session
      .attempt(() => this.repository.ping())
      .withTimeout(ANSWER_WITHIN)
      .cacheFor(FRESH_FOR);
    // The error's text names hosts and users, and a probe takes no key.
    return result.database?.status === 'up' ? session.up() : session.down('no answer');
  }
}
