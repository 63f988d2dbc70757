import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { LeadershipModule } from '../leadership/leadership.module.js';
import { SignalsModule } from '../signals/signals.module.js';
import { DatabaseIndicator } from './database.indicator.js';
import { DrainingIndicator } from './draining.indicator.js';
import { HealthController } from './health.controller.js';
import { ListenerIndicator } from './listener.indicator.js';
import { MigrationsIndicator } from './migrations.indicator.js';
import { PingRepository } from './ping.repository.js';

@Module({
  imports: [
    // A failing probe is told in its answer; one log line a probe would drown the log in an outage.
    TerminusModule.forRoot({ logger: false, errorLogStyle: 'json' }),
    LeadershipModule,
    SignalsModule,
  ],
  controllers: [HealthController],
  providers: [DatabaseIndicator, DrainingIndicator, ListenerIndicator, MigrationsIndicator, PingRepository],
  exports: [DatabaseIndicator],
})
export class HealthModule {}
