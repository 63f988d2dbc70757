/**
 * Connection strings of PostgreSQL, read with libpq's meanings: `pg` knows one host only and takes the
 * sslmodes prefer, require and verify-ca for verify-full.
 *
 * No message of this file repeats a part of a string that might hold a password: a password with an
 * unencoded `@` or `/` moves its pieces into the host, the database or the name of a parameter.
 */
import { userInfo } from 'node:os';

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

export const TARGET_SESSION_ATTRS = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const;
export type TargetSessionAttrs = (typeof TARGET_SESSION_ATTRS)[number];

export interface Dsn {
  /** In the order to try them. A host that begins with `/` is the folder of a Unix socket. */
  hosts: { host: string; port: number }[];
  user: string;
  password?: string;
  database: string;
  sslmode: SslMode;
  /** A file of PEM certificates, or `system` for the authorities that Node trusts. */
  sslrootcert?: string;
  sslcert?: string;
  sslkey?: string;
  target_session_attrs: TargetSessionAttrs;
  pool_max_conns?: number;
  pool_min_conns?: number;
  /** Seconds; 0: wait for ever. */
  connect_timeout?: number;
  application_name?: string;
}

/** What is wrong with a connection string, without a piece of it. */
export class DsnError extends Error {
  override readonly name = 'DsnError';
}

/**
 * Reads `postgresql://[user[:password]@][host[:port][,…]][/database][?parameter=value&…]`. What is missing
 * is filled as libpq does: localhost, 5432, the user of this process, the database named as the user.
 */
export function parseDsn(text: string): Dsn {
  const parts = split(text);
  const parameters = readParameters(parts.query);
  const user = parameters.get('user') || decode(parts.user) || userOfProcess();
  const password = parameters.get('password') || decode(parts.password);
  const rootCertificate = parameters.get('sslrootcert');
  const dsn: Dsn = {
    hosts: readHosts(parts.hosts, parameters),
    user,
    database: parameters.get('dbname') || decode(parts.database) || user,
    sslmode: readSslMode(parameters, rootCertificate),
    target_session_attrs: oneOf(TARGET_SESSION_ATTRS, parameters, 'target_session_attrs') ?? 'any',
    ...(password && { password }),
    ...defined('pool_max_conns', wholeNumber(parameters, 'pool_max_conns', 1)),
    ...defined('pool_min_conns', wholeNumber(parameters, 'pool_min_conns', 0)),
    ...defined('connect_timeout', wholeNumber(parameters, 'connect_timeout', 0)),
    ...defined('sslrootcert', rootCertificate),
    ...defined('sslcert', parameters.get('sslcert')),
    ...defined('sslkey', parameters.get('sslkey')),
    ...defined('application_name', parameters.get('application_name')),
  };
  if ((dsn.sslcert === undefined) !== (dsn.sslkey === undefined)) {
    throw new DsnError('sslcert and sslkey go together: give both or neither');
  }
  if (dsn.pool_min_conns !== undefined && dsn.pool_min_conns > (dsn.pool_max_conns ?? Infinity)) {
    throw new DsnError('pool_min_conns must not be above pool_max_conns');
  }
  return dsn;
}

/** The same string with its password as `***`; one that cannot be read is hidden whole. */
export function maskDsn(text: string): string {
  try {
    parseDsn(text);
    const { scheme, user, password, hosts, database, query } = split(text);
    const credentials = password === undefined ? (user === undefined ? '' : `${user}@`) : `${user}:***@`;
    const shown = query?.replace(/(^|&)password=[^&]*/g, '$1password=***');
    return (
      scheme +
      credentials +
      hosts +
      (database === undefined ? '' : `/${database}`) +
      (shown === undefined ? '' : `?${shown}`)
    );
  } catch {
    return `${SCHEME.exec(text)?.[0] ?? ''}***`;
  }
}

const SCHEME = /^postgres(?:ql)?:\/\//;

const PARAMETERS = [
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'target_session_attrs',
  'pool_max_conns',
  'pool_min_conns',
  'connect_timeout',
  'application_name',
] as const;
type Parameter = (typeof PARAMETERS)[number];

/** What other programs understand, libpq and pgx above all: of these a refusal may speak, since they are no password. */
const FOREIGN_PARAMETERS: ReadonlySet<string> = new Set([
  ...[
    'channel_binding',
    'client_encoding',
    'fallback_application_name',
    'gssdelegation',
    'gssencmode',
    'gsslib',
  ],
  ...['hostaddr', 'keepalives', 'keepalives_count', 'keepalives_idle', 'keepalives_interval', 'krbsrvname'],
  ...[
    'load_balance_hosts',
    'max_protocol_version',
    'min_protocol_version',
    'options',
    'passfile',
    'pgbouncer',
  ],
  ...['pool_health_check_period', 'pool_max_conn_idle_time', 'pool_max_conn_lifetime', 'pool_min_idle_conns'],
  ...['replication', 'require_auth', 'requirepeer', 'schema', 'search_path', 'service', 'servicefile', 'ssl'],
  ...['ssl_max_protocol_version', 'ssl_min_protocol_version', 'sslcertmode', 'sslcompression', 'sslcrl'],
  ...['sslcrldir', 'sslnegotiation', 'sslpassword', 'sslsni', 'statement_timeout', 'tcp_user_timeout'],
]);
type Parameters = Map<Parameter, string>;

interface Parts {
  scheme: string;
  user?: string;
  password?: string;
  hosts: string;
  database?: string;
  query?: string;
}

/** Cuts where libpq cuts: credentials end at the first `@` before any `/`, so that they may hold a `?`. */
function split(text: string): Parts {
  const scheme = SCHEME.exec(text)?.[0];
  if (scheme === undefined) throw new DsnError(refusalOfForm(text));
  let rest = text.slice(scheme.length);
  const credentials = /^[^@/]*(?=@)/.exec(rest)?.[0];
  if (credentials !== undefined) rest = rest.slice(credentials.length + 1);
  if (rest.includes('@')) {
    throw new DsnError(
      'it has an @ in a wrong place: write @ as %40 and / as %2F in the user and the password',
    );
  }
  const [, hosts = '', database, query] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? [];
  const colon = credentials?.indexOf(':') ?? -1;
  return {
    scheme,
    hosts,
    ...defined('user', colon < 0 ? credentials : credentials?.slice(0, colon)),
    ...defined('password', colon < 0 ? undefined : credentials?.slice(colon + 1)),
    ...defined('database', database),
    ...defined('query', query),
  };
}

function refusalOfForm(text: string): string {
  if (/^(sqlite|file):/.test(text) || /\.(db|sqlite3?)$/.test(text)) {
    return 'SQLite is only read to bring its jobs over: give a postgresql:// address, then run `ffmpeg-master import --from sqlite:FILE`';
  }
  return 'write it as postgresql://user:password@host:5432/database';
}

function readParameters(query: string | undefined): Parameters {
  const parameters: Parameters = new Map();
  for (const pair of query?.split('&').filter(Boolean) ?? []) {
    const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(pair) ?? [];
    if (name === 'ssl' && value === 'true') {
      parameters.set('sslmode', 'require');
      continue;
    }
    if (!isParameter(name)) {
      // Any other name may be a piece of a password, cut off by an unencoded & or ? or by a forgotten = or @.
      const which = FOREIGN_PARAMETERS.has(name)
        ? `its parameter ${name} is unknown`
        : 'it has an unknown parameter';
      throw new DsnError(
        /(^|&)password=/.test(query ?? '')
          ? 'it has an unknown parameter beside password: write & as %26 in the password'
          : `${which}; known are ${PARAMETERS.join(', ')}`,
      );
    }
    if (value === undefined) throw new DsnError(`its parameter ${name} has no value`);
    parameters.set(name, decode(value));
  }
  return parameters;
}

function isParameter(name: string): name is Parameter {
  return (PARAMETERS as readonly string[]).includes(name);
}

function readHosts(written: string, parameters: Parameters): Dsn['hosts'] {
  const named = parameters
    .get('host')
    ?.split(',')
    .map((host) => ({ host, port: '' }));
  const entries = named ?? written.split(',').map(readHost);
  const ports = parameters.get('port')?.split(',') ?? [];
  if (ports.length > 1 && ports.length !== entries.length) {
    throw new DsnError('its parameter port must name one port, or as many as there are hosts');
  }
  return entries.map(({ host, port }, index) => ({
    host: host || 'localhost',
    port: readPort((ports.length > 1 ? ports[index] : ports[0]) || port),
  }));
}

function readHost(written: string): { host: string; port: string } {
  const found = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([^:[\]]*))(?::([^:]*))?$/s.exec(written);
  if (!found)
    throw new DsnError('a host cannot be read; an IPv6 address stands in brackets, as in [::1]:5432');
  const [, address, name, port = ''] = found;
  return { host: address ?? decode(name ?? ''), port };
}

function readPort(written: string): number {
  if (written === '') return 5432;
  const port = /^\d{1,5}$/.test(written) ? Number(written) : 0;
  if (port < 1 || port > 65_535) {
    throw new DsnError(
      'a port must be a number, 1 to 65535; write : as %3A, @ as %40 and / as %2F in the user and the password',
    );
  }
  return port;
}

/** As in libpq, the authorities of the system make verify-full the default and the only mode. */
function readSslMode(parameters: Parameters, rootCertificate: string | undefined): SslMode {
  const mode = oneOf(SSL_MODES, parameters, 'sslmode');
  if (rootCertificate !== 'system') return mode ?? 'prefer';
  if (mode !== undefined && mode !== 'verify-full')
    throw new DsnError('sslrootcert=system needs sslmode=verify-full');
  return 'verify-full';
}

function oneOf<T extends string>(
  values: readonly T[],
  parameters: Parameters,
  name: Parameter,
): T | undefined {
  const written = parameters.get(name);
  if (written === undefined || (values as readonly string[]).includes(written))
    return written as T | undefined;
  throw new DsnError(`its parameter ${name} must be one of ${values.join(', ')}`);
}

function wholeNumber(parameters: Parameters, name: Parameter, least: number): number | undefined {
  const written = parameters.get(name);
  if (written === undefined) return undefined;
  const number = /^\d{1,5}$/.test(written) ? Number(written) : -1;
  if (number < least || number > 10_000)
    throw new DsnError(`its parameter ${name} must be a whole number, ${least} to 10000`);
  return number;
}

function decode(written: string): string;
function decode(written: string | undefined): string | undefined;
function decode(written: string | undefined): string | undefined {
  if (written === undefined) return undefined;
  try {
    const decoded = decodeURIComponent(written);
    if (!decoded.includes('\0')) return decoded;
  } catch {
    // Falls through: a % without two hexadecimal digits behind it, or no UTF-8.
  }
  throw new DsnError('its percent-encoding is broken: write % itself as %25');
}

function userOfProcess(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id that has no name.
    throw new DsnError('it names no user, and this process runs under a user id without a name: name one');
  }
}

function defined<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
