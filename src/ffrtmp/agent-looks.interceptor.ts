import {
  Inject,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type Observable, tap } from 'rxjs';
import { LOGGER, type Logger } from '../logging/logger.js';
import type { Job } from '../protocol/job.js';
import { AgentAttempts } from './agent-attempts.service.js';

/**
 * While its program runs, an agent of ffmpeg-rtmp asks for the job every 5 s, at a path that its own master never had. It
 * is the one sign of life of a single attempt. It says that it sends JSON, and sends none: nobody else who reads a job
 * does.
 */
@Injectable()
export class AgentLooks implements NestInterceptor {
  constructor(
    private readonly attempts: AgentAttempts,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { url, method } = request.routeOptions;
    if (url !== '/api/v1/jobs/:reference' || method !== 'GET') return next.handle();
    if (!isLook(request.headers)) return next.handle();
    return next.handle().pipe(tap((job) => void this.noteLook(job as Job, request.ip)));
  }

  private async noteLook({ id, node_id }: Job, address: string): Promise<void> {
    if (node_id === null) return;
    await this.attempts.looked(node_id, id, address).catch((error: unknown) => {
      this.logger.warn(
        { err: error, job_id: id },
        'a look at a job did not renew its lease; the next one will',
      );
    });
  }
}

function isLook(headers: FastifyRequest['headers']): boolean {
  if (headers['content-type'] === undefined || headers['transfer-encoding'] !== undefined) return false;
  return (headers['content-length'] ?? '0') === '0';
}
