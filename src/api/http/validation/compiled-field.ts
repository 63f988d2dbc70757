import { TransformationType } from 'class-transformer';
import { IS_OPTIONAL, ValidationTypes } from 'class-validator';
import type { ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';
import { type Check, checksOf, passes } from './compiled-checks.js';
import { isPlainJson } from './plain-json.js';
import { transformerMetadata } from './transformer-metadata.js';
import { type Accept, UNDECIDED } from './undecided.js';

export type Class = new () => object;

export interface CompiledField {
  readonly name: string;
  /** Whether an object without it is refused. */
  readonly required: boolean;
  readonly accept: Accept;
}

/**
 * Undefined where something about the field is not known here.
 *
 * @param rules of class-validator
 * @param compile for the class of a nested field
 */
export function compileField(
  Class: Class,
  name: string,
  rules: readonly ValidationMetadata[],
  compile: (nested: Class) => Accept | undefined,
): CompiledField | undefined {
  // class-transformer leaves out what would hide a method, Object's own among them.
  if (name in Class.prototype || !rules.every(isKnown)) return undefined;
  const of = (type: string) => rules.some((rule) => rule.type === type);
  const optional = of(ValidationTypes.CONDITIONAL_VALIDATION);
  const checks = checksOf(Class.name, rules);
  if (of(ValidationTypes.NESTED_VALIDATION)) checks.push((value) => value !== null);
  const transform = transformation(Class, name, of(ValidationTypes.NESTED_VALIDATION), checks, compile);
  if (transform === undefined) return undefined;
  return {
    name,
    required: !optional && !passes(checks, undefined),
    accept: (value) => {
      const made = transform(value);
      if (made === UNDECIDED || (optional && made == null)) return made;
      return passes(checks, made) ? made : UNDECIDED;
    },
  };
}

/** Conditions look at the whole object, but for `IsOptional`, whose field alone it looks at. */
function isKnown({ type, name, validateIf }: ValidationMetadata): boolean {
  if (validateIf !== undefined) return false;
  if (type === ValidationTypes.CONDITIONAL_VALIDATION) return name === IS_OPTIONAL;
  return KNOWN.includes(type);
}

const KNOWN = [
  ValidationTypes.CUSTOM_VALIDATION,
  ValidationTypes.NESTED_VALIDATION,
  ValidationTypes.WHITELIST,
];

/** What class-transformer makes of the field's value before class-validator looks at it. */
function transformation(
  Class: Class,
  name: string,
  nests: boolean,
  checks: readonly Check[],
  compile: (nested: Class) => Accept | undefined,
): Accept | undefined {
  const storage = transformerMetadata();
  const custom = storage.findTransformMetadatas(Class, name, TransformationType.PLAIN_TO_CLASS);
  if (custom.length > 0) return undefined;
  const type = storage.findTypeMetadata(Class, name);
  // An object without a class has no rules: class-validator refuses it.
  if (type === undefined) return nests ? undefined : asItIs;
  // A class that depends on the value.
  if (type.options?.discriminator || type.typeFunction === undefined || type.typeFunction.length > 0) {
    return undefined;
  }
  const target: unknown = type.typeFunction();
  if (target === Number || target === String || target === Boolean) {
    return nests ? undefined : primitive(target as (value: unknown) => unknown);
  }
  const declared: unknown = type.reflectedType;
  if (!nests || ![undefined, Array, Object, target].includes(declared)) return undefined;
  const accept = compile(target as Class);
  return accept && nested(accept, declared === target ? NO_LISTS : checks);
}

function asItIs(value: unknown): unknown {
  return isPlainJson(value) ? value : UNDECIDED;
}

function primitive(convert: (value: unknown) => unknown): Accept {
  return (value) => {
    if (value == null) return value;
    return typeof value === 'object' ? UNDECIDED : convert(value);
  };
}

const NO_LISTS: readonly Check[] = [() => false];

/**
 * An object or a list of them: class-validator takes either, whatever the decorator says of `each`.
 *
 * @param checks that a list must pass before its items are looked at
 */
function nested(accept: Accept, checks: readonly Check[]): Accept {
  return (value) => {
    if (value == null) return value;
    if (!Array.isArray(value)) return accept(value);
    // A million objects need not be made of a list of at most a thousand.
    if (!passes(checks, value)) return UNDECIDED;
    const made: unknown[] = [];
    for (const item of value) {
      const instance = accept(item);
      if (instance === UNDECIDED) return UNDECIDED;
      made.push(instance);
    }
    return made;
  };
}
