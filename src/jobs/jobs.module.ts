import { Module } from '@nestjs/common';
import { HistoryRepository } from './history.repository.js';
import { History } from './history.js';
import { JobEventsRepository } from './job-events.repository.js';
import { JobEvents } from './job-events.js';
import { JobListRepository } from './job-list.repository.js';
import { JobList } from './job-list.js';
import { JobLogsController } from './job-logs.controller.js';
import { JobLogsRepository } from './job-logs.repository.js';
import { JobLogsService } from './job-logs.service.js';
import { JobsController } from './jobs.controller.js';
import { JobsMetrics } from './jobs.metrics.js';
import { JobsRepository } from './jobs.repository.js';
import { JobsService } from './jobs.service.js';
import { LaneDirectory } from './lane-directory.js';
import { LanesRepository } from './lanes.repository.js';
import { QueueRatesModule } from './queue-rates.module.js';
import { SubmitRepository } from './submit.repository.js';
import { SubmitService } from './submit.service.js';
import { TransitionsRepository } from './transitions.repository.js';

/** What a job is, and what people do to it. `LaneStatus` comes from the dispatch module, which is global. */
@Module({
  imports: [QueueRatesModule],
  controllers: [JobsController, JobLogsController],
  providers: [
    History,
    HistoryRepository,
    JobEvents,
    JobEventsRepository,
    JobList,
    JobListRepository,
    JobLogsRepository,
    JobLogsService,
    JobsMetrics,
    JobsRepository,
    JobsService,
    LaneDirectory,
    LanesRepository,
    SubmitRepository,
    SubmitService,
    TransitionsRepository,
  ],
  exports: [History, JobEvents, JobLogsService, JobsService, LaneDirectory, QueueRatesModule, SubmitService],
})
export class JobsModule {}
