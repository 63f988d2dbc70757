import { type ArgumentMetadata, ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { type FieldError, invalid, type Problem } from '../../protocol/problem.js';

/** How many wrong fields one answer names; a batch of 1,000 wrong jobs has thousands. */
const MOST_ERRORS = 100;

/** Checks bodies and queries against their classes. Unknown fields are refused by name. */
export class RequestValidation extends ValidationPipe {
  constructor() {
    super({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
      exceptionFactory: refusal,
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body' && value !== undefined && !isObject(value)) {
      throw invalid('The body must be a JSON object.');
    }
    return super.transform(value, metadata);
  }
}

/** The problem document of a list of errors, each with the path of its field. */
export function refusal(errors: ValidationError[]): Problem {
  const all = errors.flatMap((error) => fieldErrors(error, ''));
  const shown = all.slice(0, MOST_ERRORS);
  const [first, ...others] = all;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  return invalid(first ? `${first.path}: ${first.message}${more}.` : 'The request is not valid.', shown);
}

function fieldErrors(error: ValidationError, parent: string): FieldError[] {
  const path = join(parent, error.property);
  const own = Object.entries(error.constraints ?? {}).map(([constraint, message]) => ({
    path,
    message: constraint === 'whitelistValidation' ? 'is not a known field' : message,
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, path))];
}

function join(parent: string, property: string): string {
  if (parent === '') return property;
  return /^[0-9]+$/.test(property) ? `${parent}[${property}]` : `${parent}.${property}`;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
