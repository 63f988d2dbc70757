import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CurrentPrincipal } from '../access/current-principal.js';
import type { Principal } from '../access/principal.js';
import { Requires } from '../access/requires.js';
import type { Job } from '../protocol/job.js';
import { SubmitBatch, SubmitJob } from '../protocol/submit-job.js';
import { JobsService } from './jobs.service.js';
import { ListJobsQuery } from './list-query.js';
import { SubmitService } from './submit.service.js';

@Controller('api/v1/jobs')
export class JobsController {
  constructor(
    private readonly jobs: JobsService,
    private readonly submits: SubmitService,
  ) {}

  @Post()
  @Requires('job:create')
  async submit(
    @CurrentPrincipal() principal: Principal,
    @Body() body: SubmitJob,
    @Headers('idempotency-key') idempotency_key?: string,
  ): Promise<Job | undefined> {
    const [job] = await this.submits.submit(principal, [body], { route: 'POST /jobs', idempotency_key });
    return job;
  }

  @Post('batch')
  @Requires('job:create')
  async submitBatch(
    @CurrentPrincipal() principal: Principal,
    @Body() body: SubmitBatch,
    @Headers('idempotency-key') idempotency_key?: string,
  ): Promise<{ jobs: Job[] }> {
    return {
      jobs: await this.submits.submit(principal, body.jobs, { route: 'POST /jobs/batch', idempotency_key }),
    };
  }

  @Get()
  @Requires('job:read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: ListJobsQuery) {
    return this.jobs.list(principal, query);
  }

  @Get(':reference')
  @Requires('job:read')
  get(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<Job> {
    return this.jobs.get(principal, reference);
  }

  @Post(':reference/cancel')
  @HttpCode(200)
  @Requires('job:cancel')
  cancel(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<Job> {
    return this.jobs.cancel(principal, reference);
  }

  @Post(':reference/pause')
  @HttpCode(200)
  @Requires('job:update')
  pause(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<Job> {
    return this.jobs.pause(principal, reference);
  }

  @Post(':reference/resume')
  @HttpCode(200)
  @Requires('job:update')
  resume(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<Job> {
    return this.jobs.resume(principal, reference);
  }

  @Post(':reference/retry')
  @HttpCode(200)
  @Requires('job:update')
  retry(@CurrentPrincipal() principal: Principal, @Param('reference') reference: string): Promise<Job> {
    return this.jobs.retry(principal, reference);
  }
}
