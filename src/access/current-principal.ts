import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Principal } from './principal.js';

/**
 * A request of somebody known. Only what verified the key sets the property: the guard, or the hook that asks
 * for a key before it reads a body (api/http/key-before-body.ts).
 */
export interface Authenticated {
  principal?: Principal;
}

/** The parameter of a route that tells who asks. */
export const CurrentPrincipal = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Principal => {
    const { principal } = context.switchToHttp().getRequest<Authenticated>();
    if (principal === undefined) throw new Error('A public route has no principal.');
    return principal;
  },
);
