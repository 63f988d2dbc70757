import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
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
