/**
 * Whether a value is what a schema of the document describes: so that a broken body is known to be broken, and not
 * only meant to be. Knows the words that the document uses, and throws at any other.
 */
import { isTimestamp } from '../../src/protocol/is-timestamp.js';

export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly format?: string;
  readonly description?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly maxProperties?: number;
}

const WORDS = new Set(
  (
    '$ref type enum pattern format description minLength maxLength minimum maximum items minItems maxItems ' +
    'uniqueItems properties required additionalProperties maxProperties'
  ).split(' '),
);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function fits(value: unknown, schema: JsonSchema): boolean {
  const unknown = Object.keys(schema).filter((word) => !WORDS.has(word));
  if (unknown.length > 0) throw new Error(`The document uses ${unknown.join(', ')}, unknown to this check.`);
  if (schema.enum && !schema.enum.includes(value)) return false;
  switch (schema.type) {
    case 'object':
      return isObject(value) && fitsObject(value, schema);
    case 'array':
      return Array.isArray(value) && fitsList(value, schema);
    case 'string':
      return typeof value === 'string' && fitsText(value, schema);
    case 'integer':
      return Number.isInteger(value) && fitsNumber(value as number, schema);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) && fitsNumber(value, schema);
    case 'boolean':
      return typeof value === 'boolean';
    case undefined:
      return true;
  }
}

function fitsObject(value: Record<string, unknown>, schema: JsonSchema): boolean {
  const { properties = {}, required = [], additionalProperties = true, maxProperties = Infinity } = schema;
  const entries = Object.entries(value);
  return (
    entries.length <= maxProperties &&
    required.every((name) => Object.hasOwn(value, name)) &&
    entries.every(([name, inner]) => {
      const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
      // The master takes null for absent where a field may be absent; the document does not tell of it.
      if (known) return (inner === null && !required.includes(name)) || fits(inner, known);
      return typeof additionalProperties === 'object'
        ? fits(inner, additionalProperties)
        : additionalProperties;
    })
  );
}

function fitsList(value: readonly unknown[], schema: JsonSchema): boolean {
  const { items = {}, minItems = 0, maxItems = Infinity, uniqueItems = false } = schema;
  if (value.length < minItems || value.length > maxItems) return false;
  if (uniqueItems && new Set(value).size < value.length) return false;
  return value.every((item) => fits(item, items));
}

function fitsText(value: string, { format, pattern, minLength = 0, maxLength = Infinity }: JsonSchema) {
  if (value.length < minLength || value.length > maxLength) return false;
  if (format === 'uuid' && !UUID.test(value)) return false;
  if (format === 'date-time' && !isTimestamp(value)) return false;
  return pattern === undefined || new RegExp(pattern, 'u').test(value);
}

function fitsNumber(value: number, { minimum = -Infinity, maximum = Infinity }: JsonSchema): boolean {
  return value >= minimum && value <= maximum;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
