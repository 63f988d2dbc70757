/**
 * Text that PostgreSQL refuses: NUL, and half of a surrogate pair, which JSON can spell and UTF-8 cannot.
 * Where people name things they are told; what programs printed is kept, with a mark in its place.
 */
const REFUSED = /\0|\p{Surrogate}/gu;

export function isStorable(text: string): boolean {
  return text.search(REFUSED) < 0;
}

/** The same text with U+FFFD for each character that cannot be stored. */
export function storableText(text: string): string {
  return text.replaceAll(REFUSED, '\ufffd');
}

/** The same for all texts within a JSON value, keys included. */
export function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [storableText(key), storable(inner)]),
  );
}
