import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Principal } from './principal.js';

/** A request that the guard let through; the property is set by the guard alone. */
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
