/** Readers of arguments, for commander: each throws what it then tells the person. */
import { InvalidArgumentError } from 'commander';
import { type Milliseconds, parseDuration } from '../../config/durations.js';
import { Misuse } from '../failures.js';

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

/** `key=value` of any setting. */
export function settingArgument(text: string): [string, string] {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new Misuse(`--set ${text}: write it as key=value, such as --set retry.max_retries=5`);
  }
  return [key, value];
}

/** `key=value` pairs as an object. */
export function labelArgument(
  text: string,
  previous: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const [, key, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError('Write it as key=value.');
  return { ...previous, [key]: value };
}
