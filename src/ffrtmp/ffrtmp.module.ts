import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { JobsModule } from '../jobs/jobs.module.js';
import { NodesModule } from '../nodes/nodes.module.js';
import { AgentAttempts } from './agent-attempts.service.js';
import { AgentLooks } from './agent-looks.interceptor.js';
import { AgentResults } from './agent-results.service.js';
import { OldJobsController } from './old-jobs.controller.js';
import { OldJobs } from './old-jobs.service.js';
import { OldNodesController } from './old-nodes.controller.js';
import { OldNodes } from './old-nodes.service.js';
import { OldResultsController } from './old-results.controller.js';
import { OldTenantsController } from './old-tenants.controller.js';
import { UnknownNodes } from './unknown-nodes.js';

/** The wire of ffmpeg-rtmp, for its agents and its CLI: thin adapters over what serves `/api/v1`. */
@Module({
  imports: [JobsModule, NodesModule],
  controllers: [OldJobsController, OldNodesController, OldResultsController, OldTenantsController],
  providers: [
    AgentAttempts,
    AgentResults,
    OldJobs,
    OldNodes,
    UnknownNodes,
    { provide: APP_INTERCEPTOR, useClass: AgentLooks },
  ],
})
export class FfrtmpModule {}
