/** How a command fails: what a person is told, and the exit status. */
import { CommanderError } from 'commander';

/** 0 done, 1 failed, 2 wrong usage. */
export type ExitStatus = 0 | 1 | 2;

/** It could not be done. The message is one sentence that says what to do. */
export class Failure extends Error {
  override readonly name: string = 'Failure';
}

/** It was asked for in a wrong way. */
export class Misuse extends Error {
  override readonly name = 'Misuse';
}

/** What to say about an error, and with which status to exit. Nothing is said where commander already spoke. */
export function explain(error: unknown): { line?: string; status: ExitStatus } {
  if (error instanceof CommanderError) return { status: error.exitCode === 0 ? 0 : 2 };
  if (error instanceof Misuse) return { line: error.message, status: 2 };
  // By name, so that reading a client's error loads no settings and no validator.
  if (error instanceof Error && error.name === 'ConfigurationError')
    return { line: error.message, status: 2 };
  return { line: sentence(error), status: 1 };
}

/** The message of an error, or of the first of those it stands for. */
export function sentence(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return sentence(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.message || error.name;
}
