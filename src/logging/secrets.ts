/**
 * Hides secrets in a finished log line. pino's own `redact` takes paths to keys: it sees neither a password
 * inside a message nor a key at a depth that nobody listed, and errors of `pg` and of HTTP clients have both.
 */
export function withoutSecrets(line: string): string {
  return line
    .replace(SECRET_FIELD, '$1"***"')
    .replace(BEARER, '$1***')
    .replace(ADDRESS, withoutCredentials)
    .replace(PASSWORD_PARAMETER, '$1***');
}

const NAMES =
  'password|passwd|secret|authorization|cookie|set-cookie|[\\w-]*api[_-]?key|node_key|sslkey|token';

/** A string of JSON, whole, with its escapes. */
const STRING = '"(?:[^"\\\\]|\\\\.)*"';

/** `lease_token` is no secret but a number that operators follow through the log. */
const SECRET_FIELD = new RegExp(`("(?:${NAMES})"\\s*:\\s*)(?:${STRING}|\\[[^\\]]*\\]|[\\d.]+)`, 'gi');
const BEARER = /\b(Bearer |Basic )[\w.~+/=-]+/gi;
/** An address up to the end of its word: taken whole, so that the search of a long line stays linear. */
const ADDRESS = /\b[a-z][a-z0-9+.-]{0,20}:\/\/(?:\\.|[^\s"\\])+/gi;
const PASSWORD_PARAMETER = /([?&]password=)(?:\\.|[^\s"&\\])*/gi;

/** What stands between user and host, up to the last @, for a password may hold one that nobody encoded. */
function withoutCredentials(address: string): string {
  const user = /^[^:]+:\/\/[^:/@]*:/.exec(address)?.[0];
  const end = address.lastIndexOf('@');
  return user === undefined || end < user.length ? address : `${user}***${address.slice(end)}`;
}
