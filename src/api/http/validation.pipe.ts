import {
  type ArgumentMetadata,
  type PipeTransform,
  ValidationPipe,
  type ValidationPipeOptions,
} from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validate, type ValidationError } from 'class-validator';
import { invalid } from '../../protocol/problem.js';
import { compiledClass } from './validation/compiled-class.js';
import type { Class } from './validation/compiled-field.js';
import { Refusal } from './validation/refusal.js';
import { silentErrors } from './validation/silent-errors.js';
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
 * told by the compiled class (validation/compiled-class.ts), at once; class-validator tells what is wrong.
 */
export class RequestValidation implements PipeTransform<unknown, unknown> {
  private readonly whole = new ValidationOfTheWhole(VALIDATION);

  transform(value: unknown, metadata: ArgumentMetadata): unknown {
    const { type, metatype } = metadata;
    // What the guard knows, and text that is text: the pipe of Nest gives them back as they are.
    if (type === 'custom' || (type === 'param' && metatype === String && typeof value === 'string')) {
      return value;
    }
    if (type !== 'body' || value === undefined) return this.whole.transform(value, metadata);
    if (!isObject(value)) throw invalid('The body must be a JSON object.');
    return this.validated(value, metadata);
  }

  private validated(body: Record<string, unknown>, metadata: ArgumentMetadata): unknown {
    const Class = metadata.metatype as Class | undefined;
    if (Class === undefined || Class === Object) {
      throw new Error('This route takes a body of no class, so there is nothing to check it by.');
    }
    const instance = compiledClass(Class)?.accept(body) ?? UNDECIDED;
    if (instance !== UNDECIDED) return instance;
    const refusal = new Refusal().add(silentErrors(Class, body));
    if (!refusal.isEmpty) throw refusal.problem();
    const list = itemListOf(Class);
    const items = list && body[list.name];
    return list && Array.isArray(items) && items.length > SLICE
      ? validateInSlices(Class, body, list, this.whole)
      : this.whole.transform(body, metadata);
  }
}

/** The pipe of Nest, whose two steps a body in slices goes through one by one. */
class ValidationOfTheWhole extends ValidationPipe implements Libraries {
  instanceOf(Class: Class, plain: unknown): unknown {
    this.stripProtoKeys(plain);
    return plainToInstance(Class, plain);
  }

  errorsOf(instance: object): Promise<ValidationError[]> {
    return validate(instance, { ...this.validatorOptions, validationError: { target: false } });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
