import { Controller, HttpCode, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal } from '../access/current-principal.js';
import type { Principal } from '../access/principal.js';
import { Requires } from '../access/requires.js';
import { AgentResults } from './agent-results.service.js';
import { OldAnswer } from './old-answer.interceptor.js';

/** `/results` of ffmpeg-rtmp. */
@Controller('results')
@UseInterceptors(OldAnswer)
export class OldResultsController {
  constructor(private readonly results: AgentResults) {}

  /** Always 200 for a job that is there: its agents send again whatever is answered otherwise. */
  @Post()
  @HttpCode(200)
  @Requires('job:report')
  report(@CurrentPrincipal() principal: Principal, @Req() { body }: FastifyRequest): Promise<object> {
    return this.results.report(principal, body as string | undefined);
  }
}
