import type { FastifyInstance } from 'fastify';

/**
 * Which methods a path has, so that a wrong one is told 405 and not 404. Patterns are kept as the router
 * got them; this is asked for failed requests only.
 */
export class AllowedMethods {
  private readonly routes: { methods: string[]; path: RegExp }[] = [];

  constructor(fastify: FastifyInstance) {
    fastify.addHook('onRoute', ({ method, url }) => {
      this.routes.push({ methods: [method].flat(), path: matcher(url) });
    });
  }

  /** Empty for a path that has no route. */
  of(path: string): string[] {
    const methods = this.routes.filter((route) => route.path.test(path)).flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  }
}

function matcher(pattern: string): RegExp {
  const segments = pattern.split('/').map((segment) => {
    if (segment.startsWith(':')) return '[^/]+';
    return segment === '*' ? '.*' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${segments.join('/')}$`);
}
