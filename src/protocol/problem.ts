/**
 * An error that a client is told, as a problem document (RFC 9457). Every layer throws it; `api` turns it
 * into `application/problem+json`. What is not a Problem is answered 500 without its text.
 */

/** The document. `type` names the kind for programs: `urn:ffmpeg-master:problem:conflict`. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  /** One clear sentence that says what to do. */
  detail: string;
  /** Only where the request's content was refused. */
  errors?: FieldError[];
  [extension: string]: unknown;
}

export interface FieldError {
  /** Where in the body or query, e.g. `jobs[3].parameters.bitrate`. */
  path: string;
  message: string;
}

export interface ProblemContent {
  readonly status: number;
  /** The last part of `type`. */
  readonly kind: string;
  readonly title: string;
  readonly detail: string;
  /** Further members of the document, e.g. `{ current_status: 'completed' }`. */
  readonly extras?: Readonly<Record<string, unknown>>;
  /** Seconds; sent as `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

export class Problem extends Error {
  readonly status: number;
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly extras: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds?: number;

  constructor(content: ProblemContent) {
    super(content.detail, { cause: content.cause });
    this.name = 'Problem';
    this.status = content.status;
    this.type = `urn:ffmpeg-master:problem:${content.kind}`;
    this.title = content.title;
    this.detail = content.detail;
    this.extras = content.extras ?? {};
    this.retryAfterSeconds = content.retryAfterSeconds;
  }

  document(): ProblemDocument {
    const { type, title, status, detail, extras } = this;
    return { ...extras, type, title, status, detail };
  }
}

/** 400: the request's content, field by field. */
export function invalid(detail: string, errors: readonly FieldError[] = []): Problem {
  const extras = errors.length > 0 ? { errors } : {};
  return new Problem({ status: 400, kind: 'invalid-request', title: 'Invalid request', detail, extras });
}

/** 401. The filter adds `WWW-Authenticate: Bearer`. */
export function unauthorized(detail: string): Problem {
  return new Problem({ status: 401, kind: 'unauthorized', title: 'Unauthorized', detail });
}

/** 403 */
export function forbidden(detail: string): Problem {
  return new Problem({ status: 403, kind: 'forbidden', title: 'Forbidden', detail });
}

/** 404 */
export function notFound(detail: string): Problem {
  return new Problem({ status: 404, kind: 'not-found', title: 'Not found', detail });
}

/** 409: the present state forbids it. Name that state in `extras`. */
export function conflict(detail: string, extras: Readonly<Record<string, unknown>> = {}): Problem {
  return new Problem({ status: 409, kind: 'conflict', title: 'Conflict', detail, extras });
}

/** 422: well-formed, but refused by what is already there (an Idempotency-Key used with another body). */
export function unprocessable(detail: string, extras: Readonly<Record<string, unknown>> = {}): Problem {
  return new Problem({ status: 422, kind: 'unprocessable', title: 'Unprocessable', detail, extras });
}

/** 503: try again after so many seconds. */
export function unavailable(detail: string, retryAfterSeconds: number, cause?: unknown): Problem {
  const title = 'Unavailable';
  return new Problem({ status: 503, kind: 'unavailable', title, detail, retryAfterSeconds, cause });
}
