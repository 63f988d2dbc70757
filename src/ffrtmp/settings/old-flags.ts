/**
 * The flags of ffmpeg-rtmp's master, as settings of ours. It is started the old way where a flag has one dash, or is one
 * that only it had; then TLS is on unless it is turned off, as it was there.
 */
import { readGoBoolean, readGoFlags, type GoFlag } from './go-flags.js';

export interface OldStart {
  /** By dotted key, as they were written. */
  readonly settings: Readonly<Record<string, string>>;
  /** What holds where neither the file nor the environment says otherwise. */
  readonly defaults: Readonly<Record<string, string>>;
  /** Flags of ours among them, with their dashes, as they were written. */
  readonly ours: readonly string[];
  readonly apiKey?: string;
  /** What is done otherwise than over there, a sentence each. */
  readonly notes: readonly string[];
}

/** A flag whose promise cannot be kept here; the message says why, and what to do. */
export class OldFlagError extends Error {}

export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly exists: (path: string) => boolean;
}

const CERTIFICATE = { cert: 'certs/master.crt', key: 'certs/master.key' };

const BOOLEANS = new Set(['tls', 'mtls', 'generate-cert', 'metrics', 'tracing', 'cleanup']);

/** Those that `serve` has too, by the same or nearly the same name: alone they do not tell the old way. */
const SHARED = new Set(['port', 'tls', 'metrics-port', 'log-level']);

const OURS = new Set(['config', 'host', 'data-dir', 'log-format', 'set']);

type Rule = (value: string, start: Draft) => void;

interface Draft {
  readonly settings: Record<string, string>;
  readonly defaults: Record<string, string>;
  readonly notes: string[];
  readonly seen: ReadonlyMap<string, string>;
  readonly around: Surroundings;
  apiKey?: string;
}

/** Whether these arguments of `serve` speak of the old master. */
export function isOldStart(argv: readonly string[]): boolean {
  return argv.some((arg) => {
    const [, dashes, name = ''] = /^(--?)([A-Za-z][\w-]+)/.exec(arg) ?? [];
    if (dashes === '-') return name in RULES || OURS.has(name);
    return dashes === '--' && name in RULES && !SHARED.has(name);
  });
}

/** Throws an OldFlagError, or a GoFlagError, in a sentence that says what to do. */
export function readOldStart(argv: readonly string[], around: Surroundings): OldStart {
  const flags = readGoFlags(argv, BOOLEANS);
  const ours = flags.filter(({ name }) => OURS.has(name)).flatMap(({ name, value }) => [`--${name}`, value]);
  const theirs = flags.filter(({ name }) => !OURS.has(name));
  // The last one counts, as over there.
  const seen = new Map(theirs.map(({ name, value }) => [name, value]));
  const start: Draft = { settings: {}, defaults: {}, notes: [], seen, around };
  for (const flag of theirs) if (!(flag.name in RULES)) throw new OldFlagError(unknown(flag));
  for (const [name, value] of seen) RULES[name]?.(value, start);
  placeTls(start);
  placeKey(start);
  return { ...start, ours };
}

const RULES: Readonly<Record<string, Rule>> = {
  port: into('api.port'),
  db: (value) => {
    if (value === '')
      throw refused('db ""', 'nothing is kept in memory alone; leave it out for a PostgreSQL of its own');
    throw refused(
      'db',
      `SQLite is only read, to bring its jobs over: run \`ffmpeg-master import --from sqlite:${value}\`, then start without -db`,
    );
  },
  'db-type': fromEnvironmentFirst('DATABASE_TYPE', (value, { settings }) => {
    if (/^sqlite/.test(value))
      throw refused(
        'db-type',
        'SQLite is only read, by `ffmpeg-master import --from sqlite:FILE`; give postgres',
      );
    settings['database.type'] = value === 'postgresql' ? 'postgres' : value;
  }),
  'db-dsn': fromEnvironmentFirst('DATABASE_DSN', into('database.dsn')),
  tls: boolean((on, { settings }) => {
    settings['api.tls_enabled'] = String(on);
  }),
  cert: () => undefined,
  key: () => undefined,
  ca: () => undefined,
  mtls: boolean((on, { settings, seen }) => {
    const ca = seen.get('ca');
    if (on && !ca) throw new OldFlagError('-mtls needs the authority of its clients: give its file with -ca');
    if (on && ca) settings['api.client_ca_path'] = ca;
  }),
  'generate-cert': boolean(() => undefined),
  'cert-ips': () => {
    throw refused(
      'cert-ips',
      'the self-signed certificate has the names and addresses of this machine; for others make one and give it with -cert and -key',
    );
  },
  'cert-hosts': () => {
    throw refused(
      'cert-hosts',
      'the self-signed certificate has the names and addresses of this machine; for others make one and give it with -cert and -key',
    );
  },
  'api-key': (value, start) => {
    start.apiKey = value;
    start.notes.push('-api-key can be read by everybody who lists processes; set MASTER_API_KEY instead');
  },
  'max-retries': into('retry.max_retries'),
  metrics: boolean((on) => {
    if (!on)
      throw refused(
        'metrics=false',
        'metrics are always served; choose their port with -metrics-port, and who reaches it with your network',
      );
  }),
  'metrics-port': into('metrics.port'),
  'scheduler-interval': into('scheduler.scheduling_interval'),
  tracing: boolean((on) => {
    if (on) throw refused('tracing', 'this master sends no traces; leave it out');
  }),
  'tracing-endpoint': () => undefined,
  cleanup: boolean((on, { settings }) => {
    if (!on) settings['retention.history'] = FOR_EVER;
  }),
  'cleanup-retention': (value, { settings, seen }) => {
    if (!/^\d+$/.test(value)) throw refused('cleanup-retention', 'it must be a whole number of days');
    if (readGoBoolean(seen.get('cleanup') ?? 'true') !== false) settings['retention.history'] = `${value}d`;
  },
  'log-level': (value, { settings }) => {
    settings['logging.level'] = value.toLowerCase();
  },
};

/** Of ffmpeg-rtmp's master, all of them. */
export const OLD_FLAGS: readonly string[] = Object.keys(RULES);

/** A hundred years, the longest that history can be kept. */
const FOR_EVER = '36500d';

function into(key: string): Rule {
  return (value, { settings }) => void (settings[key] = value);
}

function boolean(rule: (on: boolean, start: Draft) => void): Rule {
  return (value, start) => {
    const on = readGoBoolean(value);
    if (on === undefined)
      throw new OldFlagError(
        `a flag that is on or off was given ${JSON.stringify(value)}; write =true or =false`,
      );
    rule(on, start);
  };
}

/** Over there these two variables win over the flag. */
function fromEnvironmentFirst(variable: string, rule: Rule): Rule {
  return (value, start) => {
    if (!start.around.env[variable]) rule(value, start);
    else start.notes.push(`${variable} in the environment is used, not the flag, as it always was`);
  };
}

function placeTls({ settings, defaults, seen, notes, around }: Draft): void {
  if (settings['api.tls_enabled'] === 'false') return;
  if (!seen.has('tls')) defaults['api.tls_enabled'] = 'true';
  const named = seen.has('cert') || seen.has('key');
  const cert = seen.get('cert') ?? CERTIFICATE.cert;
  const key = seen.get('key') ?? CERTIFICATE.key;
  const generate = readGoBoolean(seen.get('generate-cert') ?? 'false') === true;
  if (generate || (!named && !(around.exists(cert) && around.exists(key)))) {
    notes.push(
      'unless the file or the environment say otherwise, TLS is on and shows a self-signed certificate, kept in database.data_dir; give one of your own with -cert and -key',
    );
    return;
  }
  const paths = named ? settings : defaults;
  paths['api.tls_cert_path'] = cert;
  paths['api.tls_key_path'] = key;
}

function placeKey(start: Draft): void {
  start.apiKey ??= start.around.env.MASTER_API_KEY || start.around.env.FFMPEG_RTMP_API_KEY;
}

function refused(flag: string, why: string): OldFlagError {
  return new OldFlagError(`-${flag} cannot be honoured: ${why}`);
}

function unknown({ written }: GoFlag): string {
  return `${written.replace(/=…$/, '')} is a flag of neither master; ffmpeg-rtmp's are ${Object.keys(RULES)
    .map((name) => `-${name}`)
    .join(' ')}`;
}
