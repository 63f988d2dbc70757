import { type ValidationArguments, ValidationTypes, getMetadataStorage } from 'class-validator';
import type { ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';

export type Check = (value: unknown) => boolean;

/** The constraints of a field of the class `owner`, each by the validator that its decorator registered. */
export function checksOf(owner: string, rules: readonly ValidationMetadata[]): Check[] {
  return rules
    .filter(({ type }) => type === ValidationTypes.CUSTOM_VALIDATION)
    .flatMap((rule) => {
      const told = new ToldOfTheValue(owner, rule.propertyName, rule.constraints);
      return getMetadataStorage()
        .getTargetValidatorConstraints(rule.constraintCls)
        .map(({ instance }): Check => {
          // Looked up once: the getter searches all validators of the process.
          const validator = instance;
          const check: Check = (value) => {
            try {
              // A promise is not true, and so not accepted.
              return validator.validate(value, told) === true;
            } catch {
              return false;
            }
          };
          return rule.each ? (value) => (Array.isArray(value) ? value.every(check) : check(value)) : check;
        });
    });
}

export function passes(checks: readonly Check[], value: unknown): boolean {
  for (const check of checks) if (!check(value)) return false;
  return true;
}

/**
 * What validators are told besides the value. The object that the value is part of does not stand yet, and a
 * verdict that depends on it is not for here: whoever asks for it gets an error, and so accepts nothing.
 */
class ToldOfTheValue implements ValidationArguments {
  constructor(
    readonly targetName: string,
    readonly property: string,
    readonly constraints: unknown[],
  ) {}

  get value(): never {
    throw new Error('This validator looks at more than the value it is given.');
  }

  get object(): never {
    throw new Error('This validator looks at the whole object.');
  }
}
