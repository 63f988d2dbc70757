import { ValidateBy, buildMessage, type ValidationOptions } from 'class-validator';
import { PRINTABLE } from './printable.js';

/**
 * Text that may stand in a program's argument list: not empty, no control characters (NUL would end the
 * argument, others reach terminals), and no leading `-`, which ffmpeg would read as an option.
 */
export function IsPlainText(maxLength: number, options?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isPlainText',
      validator: {
        validate: (value: unknown) => isPlainText(value, maxLength),
        defaultMessage: buildMessage(
          (prefix) =>
            `${prefix}$property must be text of 1 to ${maxLength} characters, without control characters and not beginning with "-"`,
          options,
        ),
      },
    },
    options,
  );
}

export function isPlainText(value: unknown, maxLength: number): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= maxLength &&
    !value.startsWith('-') &&
    PRINTABLE.test(value)
  );
}
