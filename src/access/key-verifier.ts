import type { Principal } from './principal.js';

/** Tells whose key a key is. An abstract class, so that Nest can inject it by type. */
export abstract class KeyVerifier {
  /** Answers undefined for a key that is nobody's. `key` is what stood in the header: bytes as latin1. */
  abstract verify(key: string): Promise<Principal | undefined>;
}
