import {
  Controller,
  Get,
  Headers,
  HttpCode,
  Param,
  Post,
  Query,
  Req,
  Res,
  UseInterceptors,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal } from '../access/current-principal.js';
import type { Principal } from '../access/principal.js';
import { Requires } from '../access/requires.js';
import { AgentAttempts } from './agent-attempts.service.js';
import { OldAnswer } from './old-answer.interceptor.js';
import { OldJobs } from './old-jobs.service.js';
import { isNotFound, UnknownNodes } from './unknown-nodes.js';
import { OldWireError } from './wire/old-wire-error.js';

/** `/jobs` of ffmpeg-rtmp. */
@Controller('jobs')
@UseInterceptors(OldAnswer)
export class OldJobsController {
  constructor(
    private readonly jobs: OldJobs,
    private readonly attempts: AgentAttempts,
    private readonly unknown: UnknownNodes,
  ) {}

  @Post()
  @Requires('job:create')
  submit(
    @CurrentPrincipal() principal: Principal,
    @Req() { body }: FastifyRequest,
    @Headers('idempotency-key') idempotency_key?: string,
  ): Promise<object> {
    return this.jobs.submit(principal, body as string | undefined, idempotency_key);
  }

  /** All of them, in one answer, as they are read. */
  @Get()
  @Requires('job:read')
  list(@CurrentPrincipal() principal: Principal, @Res() reply: FastifyReply): void {
    reply.header('content-type', 'application/json').send(this.jobs.list(principal));
  }

  /** A node that is not there has no next job: its agent would go on asking after an error as well. */
  @Get('next')
  @Requires('job:claim')
  async next(
    @CurrentPrincipal() principal: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query('node_id') node_id?: string,
  ): Promise<{ job: object | null }> {
    if (typeof node_id !== 'string' || node_id === '')
      throw new OldWireError(400, 'node_id parameter is required');
    try {
      const job = await this.unknown.counted('next', node_id, () =>
        this.attempts.next(node_id, request.ip, reply, ({ id }) => this.jobs.given(principal, id)),
      );
      return { job: job ?? null };
    } catch (error) {
      if (isNotFound(error)) return { job: null };
      throw error;
    }
  }

  @Get(':reference')
  @Requires('job:read')
  get(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<object> {
    return this.jobs.get(principal, reference);
  }

  @Get(':reference/logs')
  @Requires('job:read')
  logs(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<object> {
    return this.jobs.logs(principal, reference);
  }

  @Post(':reference/pause')
  @HttpCode(200)
  @Requires('job:update')
  pause(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<object> {
    return this.jobs.change(principal, reference, 'pause');
  }

  @Post(':reference/resume')
  @HttpCode(200)
  @Requires('job:update')
  resume(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<object> {
    return this.jobs.change(principal, reference, 'resume');
  }

  @Post(':reference/cancel')
  @HttpCode(200)
  @Requires('job:cancel')
  cancel(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<object> {
    return this.jobs.change(principal, reference, 'cancel');
  }

  @Post(':reference/retry')
  @HttpCode(200)
  @Requires('job:update')
  retry(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<object> {
    return this.jobs.retry(principal, reference);
  }
}
