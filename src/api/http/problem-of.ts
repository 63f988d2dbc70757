import { HttpException } from '@nestjs/common';
import { isRetriable } from '../../database/sql-errors.js';
import { notFound, Problem, unavailable } from '../../protocol/problem.js';

/** What a client is told of an error, or undefined where it is nobody's business but ours. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  const cause = error instanceof HttpException ? error.cause : undefined;
  if (cause instanceof Problem) return cause;
  const refused = ofHttp(error instanceof HttpException ? (cause ?? error) : error);
  if (refused) return refused;
  if (isRetriable(error)) {
    return unavailable('The database does not answer now. Send the request again in a second.', 1, error);
  }
  return undefined;
}

/** Errors of Fastify (with a code) and of Nest (with a status), before or around a route. */
function ofHttp(error: unknown): Problem | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return problem(413, 'too-large', 'Too large', 'The body is too large. Send fewer jobs in one request.');
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    const detail = 'Send JSON, with the header `Content-Type: application/json`.';
    return problem(415, 'unsupported-media-type', 'Unsupported media type', detail);
  }
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  if (status === 404) return notFound('There is no such route. /docs lists those that there are.');
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  return problem(status, 'bad-request', 'Bad request', 'The request is not valid HTTP for this API.');
}

function problem(status: number, kind: string, title: string, detail: string): Problem {
  return new Problem({ status, kind, title, detail });
}
