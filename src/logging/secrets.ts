/**
 * Hides secrets in a finished log line. pino's own `redact` takes paths to keys: it sees neither a password
 * inside a message nor a key at a depth that nobody listed, and errors of `pg` and of HTTP clients have both.
 */
export function withoutSecrets(line: string): string {
  return line
    .replace(SECRET_FIELD, '$1"***"')
    .replace(BEARER, '$1***')
    .replace(CREDENTIALS, '$1***@')
    .replace(PASSWORD_PARAMETER, '$1***');
}

const NAMES =
  'password|passwd|secret|authorization|cookie|set-cookie|[\\w-]*api[_-]?key|node_key|sslkey|token';

/** A string of JSON, whole, with its escapes. */
const STRING = '"(?:[^"\\\\]|\\\\.)*"';

/** `lease_token` is no secret but a number that operators follow through the log. */
const SECRET_FIELD = new RegExp(`("(?:${NAMES})"\\s*:\\s*)(?:${STRING}|\\[[^\\]]*\\]|[\\d.]+)`, 'gi');
const BEARER = /\b(Bearer |Basic )[\w.~+/=-]+/gi;
/**
 * User and password of any address, up to the last @ of the same word. The lengths are bounded, for a
 * line of 1 MB that only looks like addresses would otherwise be searched from each of them to its end.
 */
const CREDENTIALS = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"/:@\\]{0,256}:)(?:\\.|[^\s"\\]){0,2000}@/gi;
const PASSWORD_PARAMETER = /([?&]password=)(?:\\.|[^\s"&\\])*/gi;
