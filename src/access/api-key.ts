/**
 * Keys that masters make: `fmk_`, twelve characters that name the key in lists and logs, and 256 random bits.
 *
 *     fmk_1f0c9a7be244_R1x…43 characters of base64url…Q
 *     └── prefix ─────┘
 */
import { createHash, randomBytes } from 'node:crypto';

const SHAPE = /^(fmk_[0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

export interface MintedKey {
  /** Shown once, and kept nowhere. */
  readonly key: string;
  readonly prefix: string;
  /** SHA-256 of the whole key: 256 random bits need no slow digest. */
  readonly digest: Buffer;
}

export function mintKey(): MintedKey {
  const prefix = `fmk_${randomBytes(6).toString('hex')}`;
  const key = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { key, prefix, digest: digestOfKey(key) };
}

/** Undefined for what masters never made. */
export function prefixOfKey(key: string): string | undefined {
  return SHAPE.exec(key)?.[1];
}

export function digestOfKey(key: string): Buffer {
  return createHash('sha256').update(key, 'latin1').digest();
}
