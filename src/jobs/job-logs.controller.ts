import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { Body, Controller, Get, Header, HttpCode, Param, Post, Query, StreamableFile } from '@nestjs/common';
import { IsOptional } from 'class-validator';
import { CurrentPrincipal } from '../access/current-principal.js';
import type { Principal } from '../access/principal.js';
import { Requires } from '../access/requires.js';
import { isTerminal } from '../protocol/job-status.js';
import { LogChunk, type LogAnswer } from '../protocol/log-chunk.js';
import { Draining } from '../signals/draining.js';
import { jobNotFound, parseJobReference } from './job-reference.js';
import { JobLogsService } from './job-logs.service.js';
import { JobsService } from './jobs.service.js';
import { IsFlagText } from '../protocol/flag-text.js';

/** Between two looks at the log of a running job, in milliseconds. */
const FOLLOW_INTERVAL = 500;

export class ReadLogsQuery {
  /** Go on until the job has ended. */
  @IsOptional()
  @IsFlagText()
  follow?: boolean;
}

@Controller('api/v1/jobs')
export class JobLogsController {
  constructor(
    private readonly jobs: JobsService,
    private readonly logs: JobLogsService,
    private readonly draining: Draining,
  ) {}

  /** All attempts' logs as plain text, in the order in which they began. */
  @Get(':reference/logs')
  @Requires('job:read')
  @Header('Content-Type', 'text/plain; charset=utf-8')
  @Header('X-Content-Type-Options', 'nosniff')
  async read(
    @CurrentPrincipal() principal: Principal,
    @Param('reference') reference: string,
    @Query() { follow }: ReadLogsQuery,
  ): Promise<StreamableFile> {
    const { id } = await this.jobs.find(principal, reference);
    const text = Readable.from(this.text(principal, id, follow === true), { objectMode: false });
    return new StreamableFile(text, { type: 'text/plain; charset=utf-8' });
  }

  @Post(':reference/logs')
  @HttpCode(200)
  @Requires('job:report')
  append(@Param('reference') reference: string, @Body() chunk: LogChunk): Promise<LogAnswer> {
    const job = parseJobReference(reference);
    if (!('id' in job)) throw jobNotFound();
    return this.logs.append(job.id, chunk);
  }

  private async *text(principal: Principal, id: string, follow: boolean): AsyncGenerator<Buffer> {
    let after = { lease_token: 0, start_offset: -1 };
    for (;;) {
      // The state is read first: a log that ends after it was terminal is complete.
      const job = await this.jobs.find(principal, id);
      for (;;) {
        const page = await this.logs.read(job, after);
        if (page.chunks.length === 0) break;
        after = page.after;
        yield Buffer.from(page.chunks.map((chunk) => chunk.text).join(''));
      }
      if (!follow || isTerminal(job.status) || this.draining.isDraining) return;
      await pause(FOLLOW_INTERVAL);
    }
  }
}
