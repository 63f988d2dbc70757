/** Whether a value is one of a closed list of words. */
export function isOneOf<const T extends string>(words: readonly T[], value: unknown): value is T {
  return (words as readonly unknown[]).includes(value);
}
