import type { FastifyInstance, FastifyRequest } from 'fastify';
import { authenticate } from '../../access/authenticate.js';
import type { Authenticated } from '../../access/current-principal.js';
import type { KeyVerifier } from '../../access/key-verifier.js';
import type { Principal } from '../../access/principal.js';

/** Methods of which Fastify reads no body. */
const BODYLESS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Asks for the key before the first byte of a body is read: Nest's guard comes after it, and a batch may be
 * 16 MiB that nobody without a key should make us hold. No public route takes a body (routes.spec.ts), so
 * this asks nobody whom the guard would not ask; what the key may do stays for the guard to say.
 */
export function askForKeyBeforeBody(fastify: FastifyInstance, keys: KeyVerifier): void {
  fastify.addHook('onRequest', (request: FastifyRequest & Authenticated, _reply, done) => {
    if (BODYLESS.has(request.method)) return done();
    const pass = (principal: Principal) => {
      request.principal = principal;
      done();
    };
    let principal: Principal | Promise<Principal>;
    try {
      principal = authenticate(keys, request.headers.authorization);
    } catch (error) {
      return done(error as Error);
    }
    // Mostly known at once, and then no request waits for the promise of a hook.
    if (principal instanceof Promise) principal.then(pass, done);
    else pass(principal);
  });
}
