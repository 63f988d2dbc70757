import { Module } from '@nestjs/common';
import { SignalsModule } from '../signals/signals.module.js';
import { NodeDirectory } from './node-directory.js';
import { NodesController } from './nodes.controller.js';
import { NodesMetrics } from './nodes.metrics.js';
import { NodesRepository } from './nodes.repository.js';
import { NodesService } from './nodes.service.js';
import { RegistrationRepository } from './registration.repository.js';

/** Worker machines: registration, capabilities, drain. Their last-seen times are written by heartbeats. */
@Module({
  imports: [SignalsModule],
  controllers: [NodesController],
  providers: [NodeDirectory, NodesMetrics, NodesRepository, NodesService, RegistrationRepository],
  exports: [NodeDirectory, NodesService],
})
export class NodesModule {}
