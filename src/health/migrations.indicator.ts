import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { DatabaseStartup, type StartupPhase } from '../database/database-startup.js';

const MESSAGES: Readonly<Record<StartupPhase, string>> = {
  connecting: 'not looked at yet: the database does not answer',
  migrating: 'the schema is being brought up to date',
  waiting_for_schema: 'the schema is not there yet; run `ffmpeg-master migrate up`',
  waiting_for_masters: 'a migration waits until masters of an older version have stopped; the log names one',
  ready: '',
};

/** Whether the schema is the one of this program. */
@Injectable()
export class MigrationsIndicator {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly startup: DatabaseStartup,
  ) {}

  check(): HealthIndicatorResult<'migrations'> {
    const session = this.indicators.check('migrations');
    const { phase } = this.startup;
    return phase === 'ready' ? session.up() : session.down(MESSAGES[phase]);
  }
}
