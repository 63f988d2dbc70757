/**
 * The YAML file of ffmpeg-rtmp's production deployment (`server`, `job`, `tls`, `alerting`, …), in keys of ours. Its own
 * master never read it. Its sample file for PostgreSQL has our layout already.
 *
 * Each key is a setting, or is refused with the reason, or has another effect than it says, or none, and then the start says
 * so: nobody shall rely on what does not happen.
 */
import type { SettingProblem } from '../../config/configuration-error.js';
import { formatDuration, parseDuration } from '../../config/durations.js';
import type { Translated } from '../../config/settings-file.js';

type Section = Readonly<Record<string, unknown>>;

/** What a key becomes: settings of ours; nothing where it needs none. Throws a Refusal. */
type Rule = (
  value: unknown,
  section: Section,
  note: (text: string) => void,
) => Readonly<Record<string, unknown>>;

class Refusal extends Error {}

const NOTHING: Rule = () => ({});

/**
 * @param env for values such as `${DB_PASSWORD}`
 * @param note takes what is done otherwise than the file says, a sentence each
 */
export function productionLayout(
  content: unknown,
  env: NodeJS.ProcessEnv,
  note: (text: string) => void = () => undefined,
): Translated | undefined {
  if (!isSection(content) || !isProduction(content)) return undefined;
  const settings: { key: string; value: unknown; written: string }[] = [];
  const problems: SettingProblem[] = [];
  for (const [name, section] of Object.entries(content)) {
    const rules = RULES[name];
    if (section === null) continue;
    if (!rules || !isSection(section)) {
      const allowed = rules ? `a mapping with the keys ${Object.keys(rules).join(', ')}` : SECTIONS;
      problems.push({ key: nameOf(name), allowed });
      continue;
    }
    const resolved = Object.fromEntries(
      Object.entries(section).map(([key, value]) => [key, filled(value, env)]),
    );
    for (const [key, value] of Object.entries(resolved)) {
      const written = `${name}.${nameOf(key)}`;
      if (value === null) continue;
      try {
        const rule = rules[key] ?? rules['*'];
        if (!rule) throw new Refusal(`one of ${Object.keys(rules).join(', ')}`);
        for (const [to, set] of Object.entries(rule(value, resolved, (text) => note(`${written} ${text}`))))
          settings.push({ key: to, value: set, written });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        problems.push({ key: written, allowed: error.message });
      }
    }
  }
  return { settings, problems };
}

/** Our layout has none of these. */
const TELLING = ['server', 'job', 'tls', 'alerting', 'backup'];

function isProduction(content: Section): boolean {
  if (TELLING.some((name) => name in content)) return true;
  return isSection(content.database) && 'host' in content.database;
}

const to =
  (key: string): Rule =>
  (value) => ({ [key]: value });

/** Only this value says what happens anyway. */
const only =
  (wanted: unknown, why: string): Rule =>
  (value) => {
    if (value !== wanted) throw new Refusal(`${String(wanted)}: ${why}`);
    return {};
  };

const without =
  (why: string): Rule =>
  (_, __, note) => {
    note(`has no effect: ${why}`);
    return {};
  };

/** A section that does nothing unless it is enabled, and cannot be. */
const off = (why: string): Readonly<Record<string, Rule>> => ({ enabled: only(false, why), '*': NOTHING });

const duration =
  (key: string): Rule =>
  (value) => ({ [key]: withUnit(value) });

const RULES: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  server: {
    host: to('api.host'),
    port: to('api.port'),
    read_timeout: atLeast('30s', 'a request that takes longer to arrive is ended'),
    write_timeout: without('an answer may be a stream that lasts for days'),
    shutdown_timeout: without('a stop waits for what was begun, 25 s at the most'),
  },
  database: {
    type: (value) => ({ 'database.type': value === 'postgresql' ? 'postgres' : value }),
    host: (_, section) => ({ 'database.dsn': dsnOf(section) }),
    port: NOTHING,
    database: NOTHING,
    user: NOTHING,
    password: NOTHING,
    ssl_mode: NOTHING,
    max_connections: to('database.max_open_conns'),
    max_idle_connections: to('database.max_idle_conns'),
    connection_max_lifetime: duration('database.conn_max_lifetime'),
  },
  logging: {
    level: (value) => ({ 'logging.level': typeof value === 'string' ? value.toLowerCase() : value }),
    format: (value) => ({ 'logging.format': value === 'text' || value === 'console' ? 'pretty' : value }),
    output: only('stdout', 'a master writes to its standard output; let systemd or the container keep it'),
  },
  api: {
    rate_limit: to('api.rate_limit'),
    burst: NOTHING,
    enable_cors: only(false, 'no page of another origin may call a master; put a proxy before it'),
    trusted_proxies: to('api.trusted_proxies'),
  },
  worker: {
    heartbeat_timeout: duration('timeouts.heartbeat_timeout'),
    max_missed_heartbeats: without('a node is away after heartbeat_timeout, however many beats that were'),
    cleanup_interval: duration('scheduler.cleanup_interval'),
  },
  job: {
    // Of a job of unknown length, this long without progress; of any other, this long by the clock.
    default_timeout: (value, _, note) => {
      note(
        'holds for our own workers; an agent ends a job after 60 minutes, or after resource_limits.timeout_sec',
      );
      return {
        'timeouts.running_timeout_base': withUnit(value),
        'timeouts.running_timeout_per_minute': '0s',
      };
    },
    max_retries: to('retry.max_retries'),
    cleanup_retention: duration('retention.history'),
    archive_completed: (value, _, note) => {
      if (value === true)
        note('writes no archive: ended jobs are kept in the database, for retention.history');
      return {};
    },
    archive_path: (_, { archive_completed }) => {
      if (archive_completed === true)
        throw new Refusal('no path: ended jobs are kept in the database for retention.history; leave it out');
      return {};
    },
  },
  metrics: {
    enabled: only(true, 'metrics are always served; choose their port, and who reaches it with your network'),
    port: to('metrics.port'),
    path: only('/metrics', 'metrics have this path'),
  },
  tls: {
    enabled: to('api.tls_enabled'),
    cert_file: to('api.tls_cert_path'),
    key_file: to('api.tls_key_path'),
    client_ca_file: (value, { verify_client }) =>
      verify_client === true ? { 'api.client_ca_path': value } : {},
    verify_client: (value, { client_ca_file }) => {
      if (value === true && typeof client_ca_file !== 'string')
        throw new Refusal('true only where client_ca_file names the authority of the clients');
      return {};
    },
  },
  alerting: off('a master sends no alerts; let Prometheus watch what it shows on /metrics'),
  backup: off('a master makes no backups; let PostgreSQL make them, with pg_dump or base backups'),
};

/** `section.key`, all that are understood. */
export const PRODUCTION_KEYS: readonly string[] = Object.entries(RULES).flatMap(([name, rules]) =>
  Object.keys(rules)
    .filter((key) => key !== '*')
    .map((key) => `${name}.${key}`),
);

const SECTIONS = `one of the sections ${Object.keys(RULES).join(', ')}`;

/** The parts as a connection string; each may hold what would end another one. */
function dsnOf({ host, port, database, user, password, ssl_mode }: Section): string {
  const part = (value: unknown) => encodeURIComponent(textOf(value));
  const login =
    user === undefined ? '' : `${part(user)}${password === undefined ? '' : `:${part(password)}`}@`;
  const mode = ssl_mode === undefined ? '' : `?sslmode=${part(ssl_mode)}`;
  return `postgresql://${login}${textOf(host)}:${textOf(port ?? 5432)}/${part(database)}${mode}`;
}

/** A list or a mapping in the place of a text makes no connection string, and is told so. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : '';
}

/** Whole seconds, where a number has no unit: so the file's own programs would have read it. */
function withUnit(value: unknown): unknown {
  return typeof value === 'number' ? `${value}s` : value;
}

function atLeast(least: string, why: string): Rule {
  return (value, _, note) => {
    try {
      const given = parseDuration(String(withUnit(value)));
      if (given > parseDuration(least)) note(`is ${least} all the same: ${why}`);
      if (given >= parseDuration(least)) return {};
    } catch {
      // It is no duration.
    }
    throw new Refusal(`${formatDuration(parseDuration(least))} or more: ${why}`);
  };
}

/** A value that is `${NAME}` is that variable's. */
function filled(value: unknown, env: NodeJS.ProcessEnv): unknown {
  const name = typeof value === 'string' ? /^\$\{(\w+)\}$/.exec(value)?.[1] : undefined;
  return name === undefined ? value : (env[name] ?? value);
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A key may be a secret that slipped to the left of its colon. */
function nameOf(key: string): string {
  return /^[\w.-]{1,64}$/.test(key) ? key : '***';
}
