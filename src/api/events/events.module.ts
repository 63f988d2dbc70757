import { Module } from '@nestjs/common';
import { JobsModule } from '../../jobs/jobs.module.js';
import { SignalsModule } from '../../signals/signals.module.js';
import { EventReader } from './event-reader.js';
import { EventStreamMetrics } from './event-stream.metrics.js';
import { EventStreamRepository } from './event-stream.repository.js';
import { EventTail } from './event-tail.js';
import { EventsController } from './events.controller.js';
import { JobEventFollower } from './job-event-follower.js';
import { JobEventFollowerRepository } from './job-event-follower.repository.js';
import { JobEventsController } from './job-events.controller.js';

/** What happens to jobs, as it happens: of all jobs, across masters, and of single ones. */
@Module({
  imports: [JobsModule, SignalsModule],
  controllers: [EventsController, JobEventsController],
  providers: [
    EventReader,
    EventStreamMetrics,
    EventStreamRepository,
    EventTail,
    JobEventFollower,
    JobEventFollowerRepository,
  ],
})
export class EventsModule {}
