import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { OldHttpMetrics } from '../../ffrtmp/old-http.metrics.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { Draining } from '../../signals/draining.js';
import { HttpMetrics } from './http.metrics.js';
import { REQUEST_ID_HEADER } from './request-id.js';

export interface RequestHooksOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly draining: Draining;
}

/** What happens around every request: its id, its log line, its figures, and the goodbye while draining. */
export function addRequestHooks(
  fastify: FastifyInstance,
  { logger, metrics, draining }: RequestHooksOptions,
): void {
  const figures = new HttpMetrics(metrics);
  const traffic = new OldHttpMetrics(metrics);

  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header(REQUEST_ID_HEADER, request.id);
    reply.header('x-content-type-options', 'nosniff');
    reply.header('cache-control', 'no-store');
    done();
  });

  // A kept-alive connection that was busy when the server closed would else stay open until its client
  // is done with it, and hold up the exit.
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (draining.isDraining) reply.header('connection', 'close');
    done();
  });

  fastify.addHook('onResponse', (request, reply, done) => {
    const { method } = request;
    const route = request.routeOptions.url ?? 'unmatched';
    const { statusCode: status, elapsedTime: ms } = reply;
    figures.answered(method, route, status, ms / 1000);
    traffic.answered({ method, route, status, received: bytesIn(request), sent: bytesOut(reply) });
    // A thousand workers ask several times a second: what went well is told to whoever wants to know.
    const level = status >= 500 ? 'warn' : status >= 400 ? 'info' : 'debug';
    if (logger.isLevelEnabled(level)) {
      logger[level](
        { request_id: request.id, method, route, status, ms: Math.round(ms * 10) / 10 },
        'request',
      );
    }
    done();
  });
}

/** Bytes of a body, where its length was announced: what comes in chunks is seldom, and small. */
function bytesIn({ headers }: FastifyRequest): number {
  return lengthOf(headers['content-length']);
}

function bytesOut(reply: FastifyReply): number {
  return lengthOf(reply.getHeader('content-length'));
}

function lengthOf(header: unknown): number {
  const length = Number(header ?? 0);
  return length > 0 ? length : 0;
}
