/** What people wrote in the environment and as flags, by key. */
import type { SettingProblem } from './configuration-error.js';
import { maskDsn } from './dsn.js';
import {
  ADMIN_KEY,
  type SettingKey,
  environmentName,
  fixedKeys,
  keyAt,
  namesIn,
  queueKeys,
} from './setting-keys.js';
import { Settings } from './settings.js';

export interface WrittenSetting extends SettingKey {
  readonly value: unknown;
  /** For messages: `API_PORT in the environment`. */
  readonly source: string;
}

export interface Written {
  readonly settings: WrittenSetting[];
  readonly problems: SettingProblem[];
}

/**
 * The environment. An empty variable counts as not written, for compose files pass on what is unset as
 * an empty text. `queues` are the names already known: capitals alone do not tell `my-queue` from
 * `my_queue`; one that only the environment names is taken in small letters.
 */
export function writtenInEnvironment(env: NodeJS.ProcessEnv, queues: Iterable<string> = []): Written {
  const names = new Map([...queues].map((queue) => [environmentName([queue]), queue]));
  for (const variable of Object.keys(env)) {
    const name = QUEUE_VARIABLE.exec(variable)?.[1];
    if (name !== undefined && !names.has(name)) names.set(name, name.toLowerCase());
  }
  const keys = [...fixedKeys(), ...[...names.values()].flatMap(queueKeys)];
  const settings = keys.flatMap((key) => {
    const variable = environmentName(key.path);
    const value = env[variable];
    return value ? [{ ...key, value, source: `${variable} in the environment` }] : [];
  });
  return { settings, problems: [] };
}

/** Values by dotted key, whose flags a command has already named; undefined: the flag was not given. */
export function writtenAsFlags(
  flags: Readonly<Record<string, string | number | boolean | undefined>>,
): Written {
  const written: Written = { settings: [], problems: [] };
  const source = 'given as a flag';
  for (const [key, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    const known = key === ADMIN_KEY ? undefined : keyAt(key);
    if (known) written.settings.push({ ...known, value, source });
    else
      written.problems.push({
        key: showKey(key),
        value: showUnknown(value),
        source,
        allowed: namesIn(Settings),
      });
  }
  return written;
}

/** A value in a message: no secret, and no connection string that strayed to another key. */
export function show(value: unknown, mask?: (written: string) => string): string {
  if (typeof value !== 'string') return mask ? '***' : (JSON.stringify(value) ?? String(value));
  const hide = mask ?? (/^postgres(ql)?:|:\/\/.*@/s.test(value) ? maskDsn : String);
  return JSON.stringify(hide(value));
}

/** Below an unknown key anything may stand, a password too: only what plainly is none is shown. */
export function showUnknown(value: unknown): string {
  return typeof value === 'boolean' || (typeof value === 'number' && Math.abs(value) < 100_000)
    ? String(value)
    : '***';
}

/** A slip of indentation or of quotes makes a key of a connection string: what no name looks like is hidden. */
export function showKey(name: string): string {
  return /^[\w .-]{1,80}$/.test(name) ? name : '***';
}

const QUEUE_SETTINGS = queueKeys('name').map(({ path }) => environmentName(path.slice(2)));
const QUEUE_VARIABLE = new RegExp(`^QUEUES_(.+)_(?:${QUEUE_SETTINGS.join('|')})$`);
