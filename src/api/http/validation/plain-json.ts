/**
 * Whether class-transformer copies this value as it is. It leaves out keys that would hide something of
 * Object.prototype, and Nest takes out those by which prototypes are poisoned.
 */
export function isPlainJson(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return true;
    case 'object':
      if (value === null) return true;
      return Array.isArray(value) ? value.every(isPlainJson) : isPlainObject(value);
    default:
      return false;
  }
}

function isPlainObject(value: object): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key of Object.keys(value)) {
    if (key in Object.prototype || key === 'prototype') return false;
    if (!isPlainJson((value as Record<string, unknown>)[key])) return false;
  }
  return true;
}
