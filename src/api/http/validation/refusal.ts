import type { ValidationError } from 'class-validator';
import { type FieldError, invalid, type Problem } from '../../../protocol/problem.js';

/** How many wrong fields one answer names; a batch of 1,000 wrong jobs has thousands. */
const MOST_ERRORS = 100;

/** The wrong fields of a request, by path: the first hundred, and how many there are. */
export class Refusal {
  private readonly shown: FieldError[] = [];
  private count = 0;

  get isEmpty(): boolean {
    return this.count === 0;
  }

  add(errors: readonly ValidationError[], parent = ''): this {
    for (const { property, constraints = {}, children = [] } of errors) {
      const path = join(parent, property);
      for (const [constraint, message] of Object.entries(constraints)) this.tell(path, constraint, message);
      this.add(children, path);
    }
    return this;
  }

  problem(): Problem {
    const [first] = this.shown;
    const more = this.count > 1 ? ` (and ${this.count - 1} more)` : '';
    const detail = first ? `${first.path}: ${first.message}${more}.` : 'The request is not valid.';
    return invalid(detail, this.shown);
  }

  private tell(path: string, constraint: string, message: string): void {
    this.count += 1;
    if (this.shown.length === MOST_ERRORS) return;
    this.shown.push({
      path,
      message: constraint === 'whitelistValidation' ? 'is not a known field' : message,
    });
  }
}

function join(parent: string, property: string): string {
  if (parent === '') return property;
  return /^[0-9]+$/.test(property) ? `${parent}[${property}]` : `${parent}.${property}`;
}
