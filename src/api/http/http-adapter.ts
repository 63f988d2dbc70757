import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { Milliseconds } from '../../config/durations.js';
import type { ApiSettings } from '../../config/settings.js';
import { invalid } from '../../protocol/problem.js';
import type { Certificate } from '../tls/certificate.js';
import { tlsServerFactory } from '../tls/tls-server.js';
import { refuseBrokenRequest } from './broken-request.js';
import { readJsonBodies } from './json-body.js';
import { problemOf } from './problem-of.js';
import { requestIdOf } from './request-id.js';
import { sendProblem } from './send-problem.js';

const MIB = 1024 * 1024;

/** Bytes of a request's body. */
export const BODY_LIMIT = MIB;

/** Routes that carry lists: a batch of 1,000 jobs, a report of 1,024 attempts. */
const LARGE_BODY_LIMIT = 16 * MIB;
const LARGE_BODIES = /\/jobs\/batch$|\/nodes\/:[^/]+\/report$/;

/** An agent of ffmpeg-rtmp sends all that ffmpeg printed with its result: up to 17 MB a day of media. */
const RESULT_BODY_LIMIT = 64 * MIB;

export interface ReceivingLimits {
  /** From a request's first byte to its last; how long its answer takes is another matter. */
  readonly requestTimeout: Milliseconds;
  /** How often connections are looked through for requests that take longer. */
  readonly checkEvery: Milliseconds;
}

/** The largest body, 16 MiB, comes through in that time at 4.5 Mbit/s. */
const LIMITS: ReceivingLimits = { requestTimeout: 30_000, checkEvery: 5_000 };

/** Fastify, set up as this API wants it, with nothing registered yet; over TLS where it has a certificate. */
export function createHttpAdapter(
  api: ApiSettings,
  certificate?: Certificate,
  limits: ReceivingLimits = LIMITS,
): FastifyAdapter {
  if (api.tls_enabled && certificate === undefined) {
    throw new Error(
      'api.tls_enabled is true, but no certificate was loaded; this is a fault of the program.',
    );
  }
  const options = {
    bodyLimit: BODY_LIMIT,
    trustProxy: api.trusted_proxies.length > 0 ? api.trusted_proxies : false,
    genReqId: requestIdOf,
    // What the router refuses (a broken escape in a path) never reaches the filter.
    frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, problemOf(error) ?? invalid('The path of this request is not valid.')),
    // Fastify's own default is to wait for a body for ever.
    requestTimeout: limits.requestTimeout,
    // Node swaps the two where that of the headers, 60 s by default, is the longer one.
    http: {
      headersTimeout: limits.requestTimeout,
      connectionsCheckingInterval: limits.checkEvery,
      requireHostHeader: false,
    },
    clientErrorHandler: refuseBrokenRequest,
    // No route has a JSON schema (classes validate), so Ajv need not be loaded: 0.1 s of CPU of each start.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // Longer than the idle time-outs of balancers (haproxy and nginx 60 s), so that they close first.
    keepAliveTimeout: 75_000,
    // Requests on open connections are served to the end while the master drains.
    return503OnClosing: false,
    skipMiddie: true,
    ...(certificate && { serverFactory: tlsServerFactory(certificate) }),
  };
  // The adapter's types know a TLS server and a plain one, but not one of either kind.
  const adapter = new FastifyAdapter(options as FastifyServerOptions);
  const fastify: FastifyInstance = adapter.getInstance();
  readJsonBodies(fastify);
  fastify.addHook('onRoute', (route) => {
    if (LARGE_BODIES.test(route.url)) route.bodyLimit = LARGE_BODY_LIMIT;
    if (route.url === '/results') route.bodyLimit = RESULT_BODY_LIMIT;
  });
  return adapter;
}

function noSchemas(): never {
  throw new Error(
    'A route has a JSON schema; this API validates by classes, so Fastify has no compiler for it.',
  );
}
