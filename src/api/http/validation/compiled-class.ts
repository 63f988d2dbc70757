/**
 * What the decorators of class-validator and class-transformer say of a class, compiled once to closures that
 * accept a plain object, or leave it undecided.
 *
 * Accepting is sound: what is accepted, the two libraries would accept too, and the instance is the one that
 * they would make (compiled-class.spec.ts holds all request classes to that). Nothing is refused here: what is
 * undecided goes to the libraries, so the errors are theirs to the letter, and so is the verdict on whatever is
 * not compiled: conditions, groups, custom transformations, validators that look at the whole object. The
 * constraints themselves are not written a second time either: the closures call the validators that the
 * decorators registered.
 *
 * Measured: docs/adr/0018-validation-compiled.md.
 */
import { getMetadataStorage } from 'class-validator';
import type { ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';
import { type Class, type CompiledField, compileField } from './compiled-field.js';
import { transformerMetadata } from './transformer-metadata.js';
import { type Accept, UNDECIDED } from './undecided.js';

export class CompiledClass {
  private readonly fields: ReadonlyMap<string, CompiledField>;
  private readonly required: number;

  constructor(
    private readonly Class: Class,
    fields: readonly CompiledField[],
  ) {
    this.fields = new Map(fields.map((field) => [field.name, field]));
    this.required = fields.filter((field) => field.required).length;
  }

  /** Answers an instance, or UNDECIDED. Does not change `plain`; the instance shares its inner values. */
  accept(plain: unknown): object | typeof UNDECIDED {
    if (typeof plain !== 'object' || plain === null) return UNDECIDED;
    if (Object.getPrototypeOf(plain) !== Object.prototype) return UNDECIDED;
    const instance = new this.Class() as Record<string, unknown>;
    let required = 0;
    for (const name of Object.keys(plain)) {
      const field = this.fields.get(name);
      if (field === undefined) return UNDECIDED;
      const value = field.accept((plain as Record<string, unknown>)[name]);
      if (value === UNDECIDED) return UNDECIDED;
      instance[name] = value;
      if (field.required) required += 1;
    }
    return required === this.required ? instance : UNDECIDED;
  }
}

const compiled = new Map<Class, CompiledClass | undefined>();

/** Undefined where something about the class is not known here. Ask once all decorators have run. */
export function compiledClass(Class: Class): CompiledClass | undefined {
  if (compiled.has(Class)) return compiled.get(Class);
  // A class that contains itself finds this, and is not compiled.
  compiled.set(Class, undefined);
  const made = compile(Class);
  compiled.set(Class, made);
  return made;
}

function compile(Class: Class): CompiledClass | undefined {
  const storage = transformerMetadata();
  const exposes = storage.getExposedMetadatas(Class).length + storage.getExcludedMetadatas(Class).length > 0;
  if (exposes || storage.getStrategy(Class) !== 'none') return undefined;
  const rules = rulesOf(Class);
  if (rules.size === 0) return undefined;
  // Fields that begin with a value, or that nobody may send.
  const initial = Object.entries(new Class());
  if (initial.some(([name, value]) => value !== undefined || !rules.has(name))) return undefined;
  const fields: CompiledField[] = [];
  for (const [name, metadata] of rules) {
    const field = compileField(Class, name, metadata, acceptance);
    if (field === undefined) return undefined;
    fields.push(field);
  }
  return new CompiledClass(Class, fields);
}

function acceptance(nested: Class): Accept | undefined {
  const made = compiledClass(nested);
  return made && ((value) => made.accept(value));
}

/** By field, in the order in which class-validator goes through them. */
export function rulesOf(Class: Class): Map<string, ValidationMetadata[]> {
  const storage = getMetadataStorage();
  // As the pipe has it: no groups.
  const metadata = storage.getTargetValidationMetadatas(Class, '', false, false);
  return new Map(Object.entries(storage.groupByPropertyName(metadata)));
}
