import type { FastifyReply } from 'fastify';
import { isOldPath } from '../../ffrtmp/wire/old-routes.js';
import { plainTextError } from '../../ffrtmp/wire/plain-text-error.js';
import type { Problem } from '../../protocol/problem.js';

/** As a problem document; in plain text where ffmpeg-rtmp's clients ask. */
export function sendProblem(reply: FastifyReply, problem: Problem): void {
  if (isOldPath(reply.request.url.split('?', 1)[0] ?? '')) return sendPlainText(reply, problem);
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="ffmpeg-master"');
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
  const document = problem.document();
  if (problem.status >= 500) document.request_id = reply.request.id;
  reply.code(problem.status).header('content-type', 'application/problem+json; charset=utf-8');
  reply.send(JSON.stringify(document));
}

function sendPlainText(reply: FastifyReply, problem: Problem): void {
  const { method, routeOptions, headers } = reply.request;
  const { status, text } = plainTextError(problem, {
    method,
    route: routeOptions.url,
    authorization: headers.authorization,
  });
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
  reply.removeHeader('allow').code(status);
  if (text === undefined) reply.send();
  else reply.header('content-type', 'text/plain; charset=utf-8').send(`${text}\n`);
}
