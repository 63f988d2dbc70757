import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { Signals } from '../signals/signals.js';

/** Never down: without signals the poll keeps everything working, up to a second later. */
@Injectable()
export class ListenerIndicator {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly signals: Signals,
  ) {}

  check(): HealthIndicatorResult<'listener'> {
    const session = this.indicators.check('listener');
    if (this.signals.listenerState === 'up') return session.up();
    return session.degraded('signals of other masters do not arrive; the poll replaces them');
  }
}
