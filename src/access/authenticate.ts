import { unauthorized } from '../protocol/problem.js';
import { bearerKey } from './bearer-key.js';
import type { KeyVerifier } from './key-verifier.js';
import type { Principal } from './principal.js';

/** Whose key stands in an Authorization header. Throws the 401 of an absent, ill-formed or unknown one. */
export async function authenticate(keys: KeyVerifier, authorization: string | undefined): Promise<Principal> {
  const key = bearerKey(authorization);
  if (key === undefined) throw unauthorized('Send your API key as `Authorization: Bearer KEY`.');
  const principal = await keys.verify(key);
  if (principal === undefined) throw unauthorized('This API key is not known; check it for typing errors.');
  return principal;
}
