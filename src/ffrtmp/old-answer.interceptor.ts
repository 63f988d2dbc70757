import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { map, type Observable } from 'rxjs';

/** Answers as Go's encoder writes them: one line of JSON with its end, typed without a charset. */
@Injectable()
export class OldAnswer implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      map((answer: unknown) => {
        if (answer === undefined) return undefined;
        reply.header('content-type', 'application/json');
        // As bytes: Fastify adds a charset to text.
        return Buffer.from(`${JSON.stringify(answer)}\n`);
      }),
    );
  }
}
