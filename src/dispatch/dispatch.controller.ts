import { Body, Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal } from '../access/current-principal.js';
import type { Principal } from '../access/principal.js';
import { Requires } from '../access/requires.js';
import { Settings } from '../config/settings.js';
import { NodeIdPipe } from '../nodes/node-id.pipe.js';
import { ClaimRequest, type ClaimAnswer, type ClaimedAttempt, type RidingClaim } from '../protocol/claim.js';
import { HeartbeatRequest, type HeartbeatAnswer } from '../protocol/heartbeat.js';
import { ReportRequest, type ReportAnswer } from '../protocol/report.js';
import type { AttemptRow } from './claim.repository.js';
import { Connection } from './connection.js';
import { HandingOut } from './handing-out.service.js';
import { HeartbeatsService } from './heartbeats.service.js';
import { ReportsService } from './reports.service.js';

/** The worker protocol. */
@Controller('api/v1/nodes')
export class DispatchController {
  constructor(
    private readonly handingOut: HandingOut,
    private readonly heartbeats: HeartbeatsService,
    private readonly reports: ReportsService,
    private readonly settings: Settings,
  ) {}

  @Post(':id/claim')
  @HttpCode(200)
  @Requires('job:claim')
  async claim(
    @Param('id', NodeIdPipe) node_id: string,
    @Body() request: ClaimRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ClaimAnswer> {
    return { jobs: await this.take(node_id, request, new Connection(reply)) };
  }

  @Post(':id/heartbeat')
  @HttpCode(200)
  @Requires('job:claim')
  heartbeat(
    @Param('id', NodeIdPipe) node_id: string,
    @Body() request: HeartbeatRequest,
  ): Promise<HeartbeatAnswer> {
    return this.heartbeats.beat(node_id, request);
  }

  /** A claim inside a report never parks: it takes what is there once the results are settled. */
  @Post(':id/report')
  @HttpCode(200)
  @Requires('job:report')
  async report(
    @CurrentPrincipal() principal: Principal,
    @Param('id', NodeIdPipe) node_id: string,
    @Body() request: ReportRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReportAnswer> {
    const connection = new Connection(reply);
    const outcomes = await this.reports.report(node_id, request.results, principal.actor);
    const results = request.results.map(({ job_id }, index) => ({
      job_id,
      outcome: outcomes[index] ?? 'stale',
    }));
    const jobs = request.claim ? await this.take(node_id, request.claim, connection) : [];
    return { results, jobs };
  }

  private async take(
    node_id: string,
    request: ClaimRequest | RidingClaim,
    connection: Connection,
  ): Promise<ClaimedAttempt[]> {
    const attempts = await this.handingOut.take(node_id, request, connection);
    return attempts.map((attempt) => asClaimed(attempt, this.settings.workers.lease_duration / 1000));
  }
}

/** Field by field: taking the others out of a copy costs twenty times as much. */
function asClaimed(row: AttemptRow, lease_seconds: number): ClaimedAttempt {
  const job = {
    id: row.id,
    sequence_number: row.sequence_number,
    scenario: row.scenario,
    parameters: row.parameters,
    queue: row.queue,
    priority: row.priority,
    engine: row.engine,
    attempt: row.attempt,
    timeout_seconds: row.timeout_seconds,
    created_at: row.created_at,
  };
  return { job, lease_token: row.lease_token, lease_seconds };
}
