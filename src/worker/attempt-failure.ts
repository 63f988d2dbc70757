import type { FailureReason } from '../protocol/failure-reason.js';

/** Why an attempt cannot succeed, in words for the job's owner and in a reason for programs. */
export class AttemptFailure extends Error {
  constructor(
    readonly reason: FailureReason,
    message: string,
  ) {
    super(message);
    this.name = 'AttemptFailure';
  }
}

/** A parameter that this worker cannot honour; it is named, so that the owner knows what to change. */
export function cannotHonour(parameter: string, why: string): AttemptFailure {
  return new AttemptFailure('user_error', `parameters.${parameter}: ${why}`);
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** Anything thrown, as a failure: a full disk is the machine's, whatever else the platform's. */
export function asAttemptFailure(error: unknown): AttemptFailure {
  if (error instanceof AttemptFailure) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new AttemptFailure(
    code !== undefined && FULL.has(code) ? 'resource_error' : 'platform_error',
    String(message),
  );
}
