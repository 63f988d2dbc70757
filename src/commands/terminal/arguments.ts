/** Readers of arguments, for commander: each throws what it then tells the person. */
import { InvalidArgumentError } from 'commander';
import { type Milliseconds, parseDuration } from '../../config/durations.js';

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < min || number > max) {
      throw new InvalidArgumentError(`It must be a whole number, ${min} to ${max}.`);
    }
    return number;
  };
}

export function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (text.trim() === '' || !(number >= min && number <= max)) {
      throw new InvalidArgumentError(`It must be a number, ${min} to ${max}.`);
    }
    return number;
  };
}

/** Collects a flag that may be given several times. */
export function several(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** A duration such as `30s` or `1h30m`, in milliseconds. */
export function durationArgument(text: string): Milliseconds {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(`It must be ${(error as Error).message.replace(/^expected /, '')}.`);
  }
}
