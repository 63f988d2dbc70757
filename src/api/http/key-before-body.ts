import type { FastifyInstance, FastifyRequest } from 'fastify';
import { authenticate } from '../../access/authenticate.js';
import type { Authenticated } from '../../access/current-principal.js';
import type { KeyVerifier } from '../../access/key-verifier.js';

/** Methods of which Fastify reads no body. */
const BODYLESS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Asks for the key before the first byte of a body is read: Nest's guard comes after it, and a batch may be
 * 16 MiB that nobody without a key should make us hold. No public route takes a body (routes.spec.ts), so
 * this asks nobody whom the guard would not ask; what the key may do stays for the guard to say.
 */
export function askForKeyBeforeBody(fastify: FastifyInstance, keys: KeyVerifier): void {
  fastify.addHook('onRequest', async (request: FastifyRequest & Authenticated) => {
    // What there is not is told without a key, and nobody reads its body.
    if (request.is404 || BODYLESS.has(request.method)) return;
    request.principal = await authenticate(keys, request.headers.authorization);
  });
}
