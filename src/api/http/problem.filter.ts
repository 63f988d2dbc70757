import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { Problem } from '../../protocol/problem.js';
import type { AllowedMethods } from './allowed-methods.js';
import { problemOf } from './problem-of.js';
import { sendProblem } from './send-problem.js';

/** Answers every error as a problem document. What is no Problem is logged, and answered without its text. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly allowed: AllowedMethods,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const known = problemOf(error);
    if (!known || known.status >= 500) this.log(error, known, request);
    if (reply.sent || reply.raw.headersSent) {
      // The answer has begun: cutting it short is the only way left to say that it is not whole.
      reply.raw.destroy();
      return;
    }
    sendProblem(reply, this.withMethods(known ?? internalError(), request, reply));
  }

  /** 405 where the path exists and the method does not. */
  private withMethods(problem: Problem, request: FastifyRequest, reply: FastifyReply): Problem {
    if (problem.status !== 404 || !request.is404) return problem;
    const methods = this.allowed.of(request.url.split('?')[0] ?? '');
    if (methods.length === 0) return problem;
    reply.header('allow', methods.join(', '));
    return new Problem({
      status: 405,
      kind: 'method-not-allowed',
      title: 'Method not allowed',
      detail: `This route takes ${methods.join(', ')}.`,
    });
  }

  private log(error: unknown, known: Problem | undefined, request: FastifyRequest): void {
    const fields = { err: known?.cause ?? error, request_id: request.id, route: request.routeOptions.url };
    if (known) this.logger.warn(fields, 'request refused: %s', known.detail);
    else this.logger.error(fields, 'request failed');
  }
}

function internalError(): Problem {
  const detail = 'Something went wrong in this master. Its log tells what, under the request id given here.';
  return new Problem({ status: 500, kind: 'internal-error', title: 'Internal error', detail });
}
