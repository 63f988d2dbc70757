import type { Server } from 'node:http';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { Milliseconds } from '../../config/durations.js';

/** How many requests of a server are being answered. */
const open = new WeakMap<Server, { count: number }>();

/** Counts requests from their first byte to the end of their answer, or of their connection. */
export function countOpenRequests(fastify: FastifyInstance): void {
  // A number, and not a set of them: by its turned-over tables the collector kept answers that were long sent.
  const requests = { count: 0 };
  open.set(fastify.server, requests);
  const forget = () => {
    requests.count -= 1;
  };
  fastify.addHook('onRequest', (_request, { raw }, done) => {
    requests.count += 1;
    raw.once('close', forget);
    done();
  });
}

/**
 * Accepts no more connections, lets the requests in flight finish, then closes what is left: idle
 * connections, and after the grace the busy ones too. Node alone would wait for connections on which
 * nothing was ever asked.
 *
 * @returns how many requests were cut off
 */
export async function closeGracefully(app: NestFastifyApplication, grace: Milliseconds): Promise<number> {
  const server: Server = app.getHttpServer();
  const requests = open.get(server) ?? { count: 0 };
  const closed = new Promise<void>((resolve) => {
    if (server.listening) server.close(() => resolve());
    else resolve();
  });
  const deadline = performance.now() + grace;
  while (requests.count > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, CHECK_INTERVAL));
  }
  const cut = requests.count;
  server.closeAllConnections();
  await closed;
  return cut;
}

/** Milliseconds; how late an exit may notice that the last answer is out. */
const CHECK_INTERVAL = 10;
