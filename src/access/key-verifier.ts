import type { Principal } from './principal.js';

/** Tells whose key a key is. An abstract class, so that Nest can inject it by type. */
export abstract class KeyVerifier {
  /**
   * Answers undefined for a key that is nobody's, and at once where nobody need be asked. `key` is what stood in
   * the header: bytes as latin1.
   */
  abstract verify(key: string): Principal | undefined | Promise<Principal | undefined>;
}
