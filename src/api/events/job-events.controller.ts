import { Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal } from '../../access/current-principal.js';
import type { Principal } from '../../access/principal.js';
import { Requires } from '../../access/requires.js';
import { JobEvents, toEvent } from '../../jobs/job-events.js';
import type { JobRow } from '../../jobs/job-row.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { isTerminal } from '../../protocol/job-status.js';
import type { JobEvent } from '../../protocol/job.js';
import { invalid } from '../../protocol/problem.js';
import { Draining } from '../../signals/draining.js';
import { dataFrame } from './event-frame.js';
import { EventStreamMetrics } from './event-stream.metrics.js';
import { JobEventFollower } from './job-event-follower.js';
import { SseConnection } from './sse-connection.js';
import { IsFlagText } from '../../protocol/flag-text.js';

export class JobEventsQuery {
  /** Events a page, 1 to 1,000; default 100. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(1000) limit?: number;
  /** `next_cursor` of the page before: the events after this n. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(0) @Max(2_147_483_647) cursor?: number;
  /** Stream them, new ones too, until the job has ended; as does `Accept: text/event-stream`. */
  @IsOptional()
  @IsFlagText()
  follow?: boolean;
}

const DEFAULT_PAGE = 100;
const STREAM_PAGE = 500;

@Controller('api/v1/jobs')
export class JobEventsController {
  constructor(
    private readonly jobs: JobsService,
    private readonly events: JobEvents,
    private readonly follower: JobEventFollower,
    private readonly draining: Draining,
    private readonly metrics: EventStreamMetrics,
  ) {}

  @Get(':reference/events')
  @Requires('job:read')
  async read(
    @CurrentPrincipal() principal: Principal,
    @Param('reference') reference: string,
    @Query() query: JobEventsQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Headers('last-event-id') lastEventId?: string,
  ): Promise<void> {
    const job = await this.jobs.find(principal, reference);
    const streams = query.follow ?? request.headers.accept?.includes('text/event-stream') ?? false;
    if (!streams) {
      reply.send(await this.page(job, query));
      return;
    }
    const after = lastEventId ? position(lastEventId) : (query.cursor ?? 0);
    const events = await this.events.list(job, after, STREAM_PAGE);
    if (events.length === 0 && isTerminal(job.status)) {
      // Nothing will follow; with this status an EventSource does not come again.
      reply.code(204).send();
      return;
    }
    const connection = new SseConnection(request, reply, { draining: this.draining });
    this.metrics.streams.inc({ kind: 'job' });
    connection.closed.addEventListener('abort', () => this.metrics.streams.dec({ kind: 'job' }), {
      once: true,
    });
    await this.stream(connection, job, after, events).catch(() => connection.cut());
  }

  private async page(job: JobRow, { limit = DEFAULT_PAGE, cursor = 0 }: JobEventsQuery) {
    const items = await this.events.list(job, cursor, limit);
    const last = items.length === limit ? items.at(-1) : undefined;
    return { items, next_cursor: last ? String(last.n) : null };
  }

  /** The past page by page, then what is new. Ends with the job. */
  private async stream(
    connection: SseConnection,
    job: JobRow,
    from: number,
    first: JobEvent[],
  ): Promise<void> {
    let last: JobEvent | undefined;
    for (let events = first; events.length > 0;) {
      for (const event of events) connection.write(dataFrame(String(event.n), event));
      await connection.drained();
      if (connection.closed.aborted) return;
      last = events.at(-1) ?? last;
      events = events.length === STREAM_PAGE ? await this.events.list(job, last?.n ?? from, STREAM_PAGE) : [];
    }
    if (last && isTerminal(last.to_status)) return connection.end();
    const leave = this.follower.watch(job.id, last?.n ?? from, (row) => {
      const event = toEvent(row);
      connection.write(dataFrame(String(event.n), event));
      if (isTerminal(event.to_status)) connection.end();
    });
    connection.closed.addEventListener('abort', leave, { once: true });
    if (connection.closed.aborted) leave();
  }
}

function position(lastEventId: string): number {
  if (!/^[0-9]{1,9}$/.test(lastEventId)) {
    throw invalid('Last-Event-ID is none of ours. In the stream of one job it is the number n of an event.');
  }
  return Number(lastEventId);
}
