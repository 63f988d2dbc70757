import { Controller, Get, Headers, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal } from '../../access/current-principal.js';
import type { Principal } from '../../access/principal.js';
import { Requires } from '../../access/requires.js';
import { invalid } from '../../protocol/problem.js';
import { Draining } from '../../signals/draining.js';
import { decodeCursor } from './event-cursor.js';
import { EventsQuery, eventFilter } from './event-filter.js';
import { positionFrame } from './event-frame.js';
import { EventReader } from './event-reader.js';
import { EventStream } from './event-stream.js';
import { EventStreamMetrics } from './event-stream.metrics.js';
import { EventTail } from './event-tail.js';
import { SseConnection } from './sse-connection.js';

@Controller('api/v1/events')
export class EventsController {
  constructor(
    private readonly reader: EventReader,
    private readonly tail: EventTail,
    private readonly draining: Draining,
    private readonly metrics: EventStreamMetrics,
  ) {}

  /** Begins at the present end, or after `Last-Event-ID`. */
  @Get()
  @Requires('job:read')
  async stream(
    @CurrentPrincipal() principal: Principal,
    @Query() query: EventsQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Headers('last-event-id') lastEventId?: string,
  ): Promise<void> {
    const from = lastEventId ? decodeCursor(lastEventId) : undefined;
    if (lastEventId && !from) {
      throw invalid('Last-Event-ID is none of ours. Send the id of the last event, or none to begin now.');
    }
    // While the database is away this fails with 503, before the answer has begun.
    const state = await this.reader.open();
    const connection: SseConnection = new SseConnection(request, reply, {
      draining: this.draining,
      keepAlive: () => (stream.position ? positionFrame(stream.position) : ': keep-alive\n\n'),
    });
    const stream = new EventStream(
      connection,
      this.reader,
      this.tail,
      eventFilter(principal.tenant_id, query),
    );
    this.metrics.streams.inc({ kind: 'all' });
    connection.closed.addEventListener('abort', () => this.metrics.streams.dec({ kind: 'all' }), {
      once: true,
    });
    // It resumes where it stood: whatever failed, the client has the id of its last event.
    await stream.follow(from, state).catch(() => connection.cut());
  }
}
