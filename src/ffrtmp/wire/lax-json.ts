/**
 * Bodies as Go's decoder reads them: whatever the Content-Type says, the first JSON value and nothing behind it, names
 * in any case, unknown ones ignored, null as if it were not there. A value of another kind than its field's is refused.
 */
import { isDeeper } from '../../protocol/json-depth.js';
import { invalidBody } from './old-wire-error.js';

/** What a field holds. `integer` takes no fraction, `strings` is a list of text, `texts` an object of text. */
export interface Kinds {
  string: string;
  integer: number;
  number: number;
  boolean: boolean;
  object: Record<string, unknown>;
  strings: string[];
  texts: Record<string, string>;
}

type Shape = Readonly<Record<string, keyof Kinds>>;
type Read<S extends Shape> = { [Name in keyof S]?: Kinds[S[Name]] };

/** PostgreSQL refuses what is nested deeper than its stack, and ours is no deeper. Go's decoder has a limit of 10,000. */
export const DEEPEST = 500;

/** Throws `Invalid request body`, 400. */
export function readBody<const S extends Shape>(body: string | undefined, shape: S): Read<S> {
  const value = parseFirst(body ?? '');
  if (isDeeper(value, DEEPEST)) throw invalidBody();
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw invalidBody();
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  const read: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const name = names.get(key.toLowerCase());
    if (name === undefined || field === null) continue;
    if (!isOf(shape[name] as keyof Kinds, field)) throw invalidBody();
    read[name] = field;
  }
  return read as Read<S>;
}

function parseFirst(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Seldom: something stands behind the value.
    const end = endOfObject(text);
    if (end === undefined) throw invalidBody();
    try {
      return JSON.parse(text.slice(0, end));
    } catch {
      throw invalidBody();
    }
  }
}

/** Where the object that the text begins with is closed; undefined where it is none, or is not closed. */
function endOfObject(text: string): number | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  let depth = 0;
  // Texts are passed over as a whole, for they may hold braces.
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/gs)) {
    if (token === '{') depth += 1;
    else if (token === '}' && (depth -= 1) === 0) return index + 1;
  }
  return undefined;
}

function isOf(kind: keyof Kinds, value: unknown): boolean {
  switch (kind) {
    case 'integer':
      return Number.isInteger(value);
    case 'object':
      return isObject(value);
    case 'strings':
      return Array.isArray(value) && value.every((one) => typeof one === 'string');
    case 'texts':
      return isObject(value) && Object.values(value).every((one) => typeof one === 'string');
    default:
      return typeof value === kind;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
