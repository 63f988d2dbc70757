import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { Draining } from '../signals/draining.js';

/** Down once this master is on its way out: balancers send no more, what is in flight finishes. */
@Injectable()
export class DrainingIndicator {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly draining: Draining,
  ) {}

  check(): HealthIndicatorResult<'draining'> {
    const session = this.indicators.check('draining');
    return this.draining.isDraining ? session.down('this master is shutting down') : session.up();
  }
}
