/** Values that fit a schema of the document, with what lies at the edges of its ranges. */
import fc from 'fast-check';
import type { JsonSchema } from './json-schema.js';

/** Values worth sending where the schema takes any text or number: ids that are there, tokens that are held. */
export type Known = (name: string) => readonly unknown[];

export function valuesOf(schema: JsonSchema, known: Known, name = ''): fc.Arbitrary<unknown> {
  const seen = known(name);
  const made = madeOf(schema, known, name);
  return seen.length > 0 ? fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...seen) }, made) : made;
}

function madeOf(schema: JsonSchema, known: Known, name: string): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'object':
      return objectOf(schema, known);
    case 'array':
      return listOf(schema, known, name);
    case 'integer':
      return integerOf(schema, name);
    case 'number':
      return fc.double({ min: schema.minimum, max: schema.maximum, noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    default:
      return textOf(schema);
  }
}

function objectOf(schema: JsonSchema, known: Known): fc.Arbitrary<unknown> {
  const { properties, required = [], additionalProperties } = schema;
  if (properties) {
    const model = Object.entries(properties).map(([name, inner]) => [name, valuesOf(inner, known, name)]);
    return fc.record(Object.fromEntries(model) as Record<string, fc.Arbitrary<unknown>>, {
      requiredKeys: [...required],
    });
  }
  const inner = typeof additionalProperties === 'object' ? valuesOf(additionalProperties, known) : undefined;
  return inner
    ? fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), inner, { maxKeys: 3 })
    : fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });
}

function listOf(schema: JsonSchema, known: Known, name: string): fc.Arbitrary<unknown> {
  const items = valuesOf(schema.items ?? {}, known, name);
  const length = { minLength: schema.minItems ?? 0, maxLength: Math.min(4, schema.maxItems ?? 4) };
  return schema.uniqueItems ? fc.uniqueArray(items, length) : fc.array(items, length);
}

/** Seconds for which a claim may park: nobody is there to wake it, and every wave would wait for one. */
const LONGEST_WAIT = 0;

function integerOf({ minimum = 0, maximum = Number.MAX_VALUE }: JsonSchema, name: string) {
  const most = name === 'wait_seconds' ? LONGEST_WAIT : maximum;
  const edges = fc.constantFrom(minimum, most, ...[2 ** 31, 2 ** 53 - 1].filter((edge) => edge <= most));
  return fc.oneof(edges, fc.integer({ min: minimum, max: Math.min(most, 2 ** 31 - 1) }));
}

function textOf({ format, pattern, minLength = 0, maxLength = 300 }: JsonSchema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid();
  if (format === 'date-time') {
    const range = { min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true };
    return fc.date(range).map((date) => date.toISOString());
  }
  // fast-check knows no \p{…}: those are of ordinary text, of which nearly all fits.
  if (pattern !== undefined && !pattern.includes('\\p{')) return fc.stringMatching(new RegExp(pattern));
  const allowed = new RegExp(pattern ?? '', 'u');
  const length = { minLength, maxLength: Math.min(maxLength, 60) };
  const text = fc.string({ unit: 'grapheme', ...length });
  const long = fc.constantFrom('x'.repeat(maxLength), 'ü'.repeat(Math.floor(maxLength / 2)));
  return fc.oneof({ weight: 9, arbitrary: text.filter((made) => allowed.test(made)) }, long);
}
