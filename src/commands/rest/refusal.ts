/** An answer of a master that is no success, as a sentence. */
import type { FieldError } from '../../protocol/problem.js';
import { Failure } from '../failures.js';

/** A master answered, and refused. */
export class Refusal extends Failure {
  override readonly name = 'Refusal';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** No master answered. */
export class Unreachable extends Failure {
  override readonly name = 'Unreachable';
}

/** @param body of the answer: a problem document, or whatever stood in its place */
export function refusalOf(status: number, body: string, master: string): Refusal {
  if (status === 401) {
    return new Refusal(
      status,
      `the master at ${master} does not know this key; set MASTER_API_KEY, or name a file that holds the key with --key-file`,
    );
  }
  return new Refusal(
    status,
    problemText(body) ?? `the master at ${master} answered ${status} without a reason`,
  );
}

/** `detail`, and behind it each field with what is wrong with it. */
export function problemText(body: string): string | undefined {
  let problem: { title?: unknown; detail?: unknown; errors?: unknown };
  try {
    problem = JSON.parse(body) as typeof problem;
  } catch {
    return undefined;
  }
  const said = [problem.detail, problem.title].find((text) => typeof text === 'string' && text !== '');
  const fields = Array.isArray(problem.errors) ? (problem.errors as Partial<FieldError>[]) : [];
  const listed = fields
    // Of a single field the detail says it all.
    .filter(({ message }) => typeof said !== 'string' || !message || !said.includes(message))
    .map(({ path, message }) => fieldText(path ?? '', message ?? ''));
  if (typeof said !== 'string') return listed.length > 0 ? listed.join('; ') : undefined;
  return listed.length > 0 ? `${said.replace(/[.:]$/, '')}: ${listed.join('; ')}` : said;
}

/** class-validator's messages begin with the property's name, which the path ends with. */
function fieldText(path: string, message: string): string {
  const property = /[^.[\]]+$/.exec(path)?.[0] ?? path;
  return message.startsWith(`${property} `)
    ? `${path}${message.slice(property.length)}`
    : `${path}: ${message}`;
}
