import { ValidateBy, buildMessage, type ValidationOptions } from 'class-validator';
import { PRINTABLE } from './printable.js';

const KEY = /^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$/;
export const MAX_LABELS = 32;
const MAX_VALUE_LENGTH = 128;

/** Labels: at most 32 pairs of text; keys as in Kubernetes, values of up to 128 printable characters. */
export function IsLabels(options?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isLabels',
      validator: {
        validate: (value: unknown) => isLabels(value),
        defaultMessage: buildMessage(
          (prefix) =>
            `${prefix}$property must be an object of at most ${MAX_LABELS} text values of up to ${MAX_VALUE_LENGTH} characters, its keys letters, digits and _ . / -`,
          options,
        ),
      },
    },
    options,
  );
}

export function isLabels(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const pairs = Object.entries(value);
  return (
    pairs.length <= MAX_LABELS &&
    pairs.every(
      ([key, text]) =>
        KEY.test(key) && typeof text === 'string' && text.length <= MAX_VALUE_LENGTH && PRINTABLE.test(text),
    )
  );
}
