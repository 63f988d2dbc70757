import { type ArgumentMetadata, ValidationPipe, type ValidationPipeOptions } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';
import { invalid } from '../../protocol/problem.js';
import { compiledClass } from './validation/compiled-class.js';
import type { Class } from './validation/compiled-field.js';
import { Refusal } from './validation/refusal.js';
import { itemListOf, SLICE, validateInSlices, type Libraries } from './validation/sliced-validation.js';
import { UNDECIDED } from './validation/undecided.js';

export const VALIDATION: ValidationPipeOptions = {
  transform: true,
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  exceptionFactory: (errors) => new Refusal().add(errors).problem(),
};

/**
 * Checks bodies and queries against their classes. Unknown fields are refused by name. What is right is mostly
 * told by the compiled class (validation/compiled-class.ts); class-validator tells what is wrong.
 */
export class RequestValidation extends ValidationPipe {
  private readonly libraries: Libraries = {
    instanceOf: (Class, plain) => {
      this.stripProtoKeys(plain);
      return plainToInstance(Class, plain);
    },
    errorsOf: (instance) =>
      validate(instance, { ...this.validatorOptions, validationError: { target: false } }),
  };

  constructor() {
    super(VALIDATION);
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const { type, metatype } = metadata;
    // What the guard knows, and text that is text: the pipe of Nest gives them back as they are.
    if (type === 'custom' || (type === 'param' && metatype === String && typeof value === 'string')) {
      return value;
    }
    if (type !== 'body' || value === undefined) return super.transform(value, metadata);
    if (!isObject(value)) throw invalid('The body must be a JSON object.');
    if (metatype === undefined || !this.toValidate(metadata)) return super.transform(value, metadata);
    return this.validated(value, metatype as Class, metadata);
  }

  private validated(body: Record<string, unknown>, Class: Class, metadata: ArgumentMetadata): unknown {
    const instance = compiledClass(Class)?.accept(body) ?? UNDECIDED;
    if (instance !== UNDECIDED) return instance;
    const list = itemListOf(Class);
    const items = list && body[list.name];
    return list && Array.isArray(items) && items.length > SLICE
      ? validateInSlices(Class, body, list, this.libraries)
      : super.transform(body, metadata);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
