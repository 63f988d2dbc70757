/** The routes that a server really has: seen as its router gets them, and not as anything describes them. */
import diagnostics from 'node:diagnostics_channel';
import type { FastifyInstance } from 'fastify';

/** Watches every Fastify that `start` makes; answers `METHOD /path/{name}`, with Fastify's own HEAD of each GET left out. */
export async function routesMadeBy<T>(start: () => Promise<T>): Promise<{ started: T; routes: string[] }> {
  const routes = new Set<string>();
  const watch = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', ({ method, url }) => {
      const path = url.replace(/:([^/]+)/g, '{$1}');
      for (const one of [method].flat()) if (one !== 'HEAD') routes.add(`${one} ${path}`);
    });
  };
  diagnostics.subscribe('fastify.initialization', watch);
  try {
    return { started: await start(), routes: [...routes].sort() };
  } finally {
    diagnostics.unsubscribe('fastify.initialization', watch);
  }
}
