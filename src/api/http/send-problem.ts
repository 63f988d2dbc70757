import type { FastifyReply } from 'fastify';
import type { Problem } from '../../protocol/problem.js';

export function sendProblem(reply: FastifyReply, problem: Problem): void {
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="ffmpeg-master"');
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
  const document = problem.document();
  if (problem.status >= 500) document.request_id = reply.request.id;
  reply.code(problem.status).header('content-type', 'application/problem+json; charset=utf-8');
  reply.send(JSON.stringify(document));
}
