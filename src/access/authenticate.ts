import { unauthorized } from '../protocol/problem.js';
import { bearerKey } from './bearer-key.js';
import type { KeyVerifier } from './key-verifier.js';
import type { Principal } from './principal.js';

/**
 * Whose key stands in an Authorization header, at once where the verifier knows it. Throws, or rejects with, the 401
 * of an absent, ill-formed or unknown one.
 */
export function authenticate(
  keys: KeyVerifier,
  authorization: string | undefined,
): Principal | Promise<Principal> {
  const key = bearerKey(authorization);
  if (key === undefined) throw unauthorized('Send your API key as `Authorization: Bearer KEY`.');
  const principal = keys.verify(key);
  return principal instanceof Promise ? principal.then(known) : known(principal);
}

function known(principal: Principal | undefined): Principal {
  if (principal === undefined) throw unauthorized('This API key is not known; check it for typing errors.');
  return principal;
}
