import type { Problem } from '../../protocol/problem.js';
import { FAILURES } from './old-routes.js';
import { OldWireError } from './old-wire-error.js';

export interface FailedRequest {
  readonly method: string;
  /** Undefined where no route fits. */
  readonly route: string | undefined;
  readonly authorization: string | undefined;
}

/** An error as it goes over the old wire. No text: an empty body, without a type. */
export interface PlainTextError {
  readonly status: number;
  readonly text: string | undefined;
}

/** What Go's net/http and the handlers of ffmpeg-rtmp answer. */
export function plainTextError(
  problem: Problem,
  { method, route, authorization }: FailedRequest,
): PlainTextError {
  const { status, detail } = problem;
  if (problem instanceof OldWireError) return { status, text: detail };
  if (status === 405) return { status, text: undefined };
  if (status === 404) return { status, text: notFound(route) };
  if (status === 401) {
    return { status, text: authorization === undefined ? 'Missing Authorization header' : 'Invalid API key' };
  }
  if (status === 400) return { status, text: 'Invalid request body' };
  // A database that is away is no other status there, and its agents try again after any.
  if (status >= 500) return { status: 500, text: FAILURES[`${method} ${route}`] ?? 'Internal Server Error' };
  return { status, text: detail };
}

function notFound(route: string | undefined): string {
  if (route === undefined) return '404 page not found';
  return route.startsWith('/nodes') ? 'Node not found' : 'Job not found';
}
