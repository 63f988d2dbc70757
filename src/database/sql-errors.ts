/** What an error of the database means for whoever sent the statement, by its SQLSTATE. */

/** SQLSTATE of a server's error, or the code of a socket's (`ECONNREFUSED`); undefined for other errors. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The session is gone, or none could be made: whether the statement was carried out is unknown. */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined) return code.startsWith('08') || code.startsWith('57P') || lostCodes.has(code);
  // `pg` gives these no code.
  return error instanceof Error && lostMessages.test(error.message);
}

/** The server takes no writes or is going away: another one may be primary now. */
export function isNotPrimary(error: unknown): boolean {
  const code = codeOf(error);
  return code === '25006' || (code !== undefined && code.startsWith('57P'));
}

/** `constraint`, if given, is the name of the one that is meant. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (codeOf(error) !== '23505') return false;
  return constraint === undefined || (error as { constraint?: string }).constraint === constraint;
}

export function isDeadlock(error: unknown): boolean {
  return codeOf(error) === '40P01';
}

/** A time-out of the server: for the statement (57014, also a cancel by hand) or for a lock (55P03). */
export function isTimeout(error: unknown): boolean {
  return codeOf(error) === '57014' || isLockTimeout(error);
}

/** Somebody else holds a row or a table that the statement needs. */
export function isLockTimeout(error: unknown): boolean {
  return codeOf(error) === '55P03';
}

export function isDiskFull(error: unknown): boolean {
  return codeOf(error) === '53100';
}

/** All of the server's connections, or the role's share of them, are taken. */
export function isTooManyConnections(error: unknown): boolean {
  return codeOf(error) === '53300';
}

export function isPermissionDenied(error: unknown): boolean {
  return codeOf(error) === '42501';
}

/** The schema or a table of it does not exist. */
export function isMissingSchema(error: unknown): boolean {
  const code = codeOf(error);
  return code === '3F000' || code === '42P01';
}

/** The same statement may succeed when it is sent again a little later. */
export function isRetriable(error: unknown): boolean {
  const code = codeOf(error);
  return (
    isConnectionLost(error) ||
    isNotPrimary(error) ||
    isTimeout(error) ||
    (code !== undefined && (code.startsWith('40') || code.startsWith('53')))
  );
}

/** Code of `NoServerError`. */
export const noServer = 'ENOSERVER';

const lostCodes = new Set([
  noServer,
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);

const lostMessages =
  /^Connection terminated|^Query read timeout|not queryable|^timeout expired|^Cannot use a pool after/;
