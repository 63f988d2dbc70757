/** A master answered, and the answer was no: repeating the request will not change it. */
export class MasterRefused extends Error {
  constructor(
    readonly status: number,
    readonly path: string,
    detail: string,
  ) {
    super(`the master answered ${status} to ${path}: ${detail}`);
    this.name = 'MasterRefused';
  }
}

/** No master answered. Whether one of them acted on the request is not known. */
export class MastersUnreachable extends Error {
  constructor(
    readonly retryAfterMs: number,
    cause: unknown,
  ) {
    super(`no master answers: ${wordsOf(cause)}`);
    this.name = 'MastersUnreachable';
  }
}

/** Of a host with several addresses, Node tells each refusal but no message of its own. */
function wordsOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return wordsOf(cause.errors[0]);
  return cause instanceof Error ? cause.message || String(cause) : String(cause);
}
