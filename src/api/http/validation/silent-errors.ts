/**
 * What is wrong with a body and passes class-transformer and class-validator in silence: a list where one object is
 * wanted (its items are checked in its stead, of which there may be none), and fields or labels named like something
 * of every object, which are left out before anybody looks for unknown ones.
 */
import { ARRAY_MAX_SIZE, IS_ARRAY, ValidationError, ValidationTypes } from 'class-validator';
import type { ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';
import { rulesOf } from './compiled-class.js';
import type { Class } from './compiled-field.js';
import { transformerMetadata } from './transformer-metadata.js';

/** Empty for a body without such errors. */
export function silentErrors(Class: Class, plain: Readonly<Record<string, unknown>>): ValidationError[] {
  const errors = hiddenKeys(plain);
  for (const [name, look] of looksAt(Class)) {
    const value = plain[name];
    // Most fields are texts and numbers, or not there.
    if (typeof value === 'object' && value !== null) errors.push(...look(name, value));
  }
  return errors;
}

type Look = (name: string, value: object) => ValidationError[];

const looks = new Map<Class, ReadonlyMap<string, Look>>();

/** Read once a class: what the decorators recorded takes longer to find than a body to look through. */
function looksAt(Class: Class): ReadonlyMap<string, Look> {
  const known = looks.get(Class);
  if (known) return known;
  const made = new Map([...rulesOf(Class)].map(([name, rules]) => [name, lookAt(Class, name, rules)]));
  looks.set(Class, made);
  return made;
}

function lookAt(Class: Class, name: string, rules: readonly ValidationMetadata[]): Look {
  const nests = rules.some(({ type }) => type === ValidationTypes.NESTED_VALIDATION);
  const Item = transformerMetadata().findTypeMetadata(Class, name)?.typeFunction() as Class | undefined;
  if (!nests || Item === undefined) return atFreeNames;
  const atItem = atObject(Item);
  if (!rules.some((rule) => rule.name === IS_ARRAY)) return atItem;
  const most = Number(rules.find((rule) => rule.name === ARRAY_MAX_SIZE)?.constraints[0] ?? Infinity);
  return (name, value) => {
    // One that is too long is refused for that, and is not worth a look at a million items.
    if (!Array.isArray(value) || value.length > most) return [];
    return within(
      name,
      value.flatMap((item: unknown, index) => (isPresent(item) ? atItem(String(index), item) : [])),
    );
  };
}

function atObject(Item: Class): Look {
  return (name, value) =>
    Array.isArray(value)
      ? [wrong(name, { isObject: `${name} must be an object` })]
      : within(name, silentErrors(Item, value as Record<string, unknown>));
}

/** Labels, and whatever else the client names. */
function atFreeNames(name: string, value: object): ValidationError[] {
  return Array.isArray(value) ? [] : within(name, hiddenKeys(value));
}

function hiddenKeys(plain: object): ValidationError[] {
  const hidden = Object.keys(plain).filter((key) => key in Object.prototype || key === 'prototype');
  return hidden.map((key) => wrong(key, { whitelistValidation: `${key} is not a known field` }));
}

function within(name: string, children: ValidationError[]): ValidationError[] {
  return children.length > 0 ? [wrong(name, {}, children)] : [];
}

function isPresent(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function wrong(
  property: string,
  constraints: Record<string, string>,
  children: ValidationError[] = [],
): ValidationError {
  return Object.assign(new ValidationError(), { property, constraints, children });
}
