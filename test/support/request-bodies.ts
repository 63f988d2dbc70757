/**
 * Bodies for a class of requests, made from the decorators of the class: half of them fit, for a field that nobody
 * fills rightly is one whose acceptance nobody tests; the others have wrong, missing, unknown and dangerous parts.
 */
import { createRequire } from 'node:module';
import type { Type } from '@nestjs/common';
import type { MetadataStorage } from 'class-transformer/types/MetadataStorage.js';
import { getMetadataStorage } from 'class-validator';
import type { ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';
import fc from 'fast-check';

type Body = Record<string, unknown>;

export function bodiesOf(Class: Type<object>): fc.Arbitrary<Body> {
  return fc.oneof(body(Class, 0), body(Class, 10)).map((made) => parsed(made));
}

/** Objects of a class. `wrong`: of a hundred fields, how many do not fit. */
function body(Class: Type<object>, wrong: number): fc.Arbitrary<Body> {
  const storage = getMetadataStorage();
  const metadata = storage.getTargetValidationMetadatas(Class, '', false, false);
  const fields = Object.entries(storage.groupByPropertyName(metadata));
  const model = fields.map(
    ([name, rules]) => [name, mostly(field(Class, name, rules, wrong), wrong)] as const,
  );
  const optional = (name: string) =>
    fields.find((f) => f[0] === name)?.[1].some((r) => r.name === 'isOptional');
  const required = model.map(([name]) => name).filter((name) => wrong === 0 && !optional(name));
  const known = fc.record(Object.fromEntries(model), { requiredKeys: required }) as fc.Arbitrary<Body>;
  const unknown = fc.dictionary(fc.constantFrom(...DANGEROUS), anything, { maxKeys: 1 });
  return wrong === 0 ? known : fc.tuple(known, mostly(fc.constant({}), wrong, unknown)).map(merged);
}

function field(Class: Type<object>, name: string, rules: ValidationMetadata[], wrong: number) {
  const of = new Map(rules.map((rule) => [rule.name ?? rule.type, rule.constraints]));
  const each = of.has('isArray');
  const Item = transformerMetadata().findTypeMetadata(Class, name)?.typeFunction() as
    Type<object> | undefined;
  const value = of.has('nestedValidation') && Item ? body(Item, wrong) : scalar(of);
  if (!each) return value;
  const maxLength = Math.min(4, Number(of.get('arrayMaxSize')?.[0] ?? 4));
  const minLength = Number(of.get('arrayMinSize')?.[0] ?? 0);
  return of.has('arrayUnique')
    ? fc.uniqueArray(value, { minLength, maxLength })
    : fc.array(value, { minLength, maxLength });
}

/** A value that fits the named constraints. */
function scalar(of: ReadonlyMap<string, unknown[]>): fc.Arbitrary<unknown> {
  const [min, max] = [Number(of.get('min')?.[0] ?? -9), Number(of.get('max')?.[0] ?? 1e6)];
  if (of.has('isIn')) return fc.constantFrom(...(of.get('isIn')?.[0] as unknown[]));
  if (of.has('isUuid')) return fc.uuid().map((id) => (id.startsWith('a') ? id.toUpperCase() : id));
  if (of.has('isInt')) return fc.integer({ min, max });
  if (of.has('isNumber')) return fc.double({ min, max, noNaN: true });
  if (of.has('isBoolean')) return fc.boolean();
  if (of.has('isTimestamp')) {
    return fc
      .date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true })
      .map((at) => at.toISOString());
  }
  if (of.has('isLabels'))
    return fc.dictionary(fc.stringMatching(/^[a-z0-9]{1,5}$/), fc.string({ maxLength: 9 }));
  if (of.has('isObject')) return fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }));
  const pattern = of.get('matches')?.[0] as RegExp | undefined;
  // fast-check knows no `\p{}`; those patterns are of ordinary text.
  if (pattern && !pattern.unicode) return fc.stringMatching(pattern);
  return fc.oneof(fc.string({ minLength: 1, maxLength: 30 }), fc.constantFrom('1080p-h264', 'ünï 🎬', 'x'));
}

const DANGEROUS = [
  'unknown',
  '',
  '@proto',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  '0',
];

const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    null,
    '',
    '1',
    'true',
    0,
    -0,
    1.5,
    1e308,
    -1,
    true,
    [],
    {},
    [[]],
    [{}],
    [null],
    '\0',
    '\ud83d',
  ),
  fc.dictionary(fc.constantFrom(...DANGEROUS), fc.constantFrom(null, 1, 'x', {}, [])),
  fc.string({ maxLength: 300 }),
  fc.jsonValue({ maxDepth: 3 }),
);

function mostly<T>(fitting: fc.Arbitrary<T>, wrong: number, other: fc.Arbitrary<unknown> = anything) {
  return fc.oneof({ weight: 100 - wrong, arbitrary: fitting }, { weight: wrong, arbitrary: other });
}

function merged([known, unknown]: [Body, unknown]): Body {
  return { ...known, ...(unknown as Body) };
}

/** As the server parses it: an own `__proto__` among the keys, which only JSON.parse makes. */
export function parsed(made: Body): Body {
  return JSON.parse(JSON.stringify(made).replaceAll('"@proto":', '"__proto__":')) as Body;
}

function transformerMetadata(): MetadataStorage {
  const require = createRequire(import.meta.url);
  return (require('class-transformer/cjs/storage.js') as { defaultMetadataStorage: MetadataStorage })
    .defaultMetadataStorage;
}
