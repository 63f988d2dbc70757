/** The keys of the settings tree, and the names that the environment has for them. */
import { type SectionClass, type SettingKind, declarationsOf } from './setting-kinds.js';
import { QueueSettings, Settings } from './settings.js';

export interface SettingKey {
  /** Dotted: `database.dsn`, `queues.live.rank`. */
  readonly key: string;
  /** The same in steps; a queue's name is one of them and may hold dots. */
  readonly path: readonly string[];
  readonly kind: SettingKind;
}

/** Comes from the environment variable MASTER_API_KEY alone: files are shared and flags are seen in `ps`. */
export const ADMIN_KEY = 'master_api_key';

/** Every setting but those of single queues. */
export function fixedKeys(): SettingKey[] {
  return [...keysBelow(Settings, [])];
}

/** The settings of one queue. */
export function queueKeys(queue: string): SettingKey[] {
  return [...keysBelow(QueueSettings, ['queues', queue])];
}

/** The setting of a dotted key, if there is one. */
export function keyAt(dotted: string): SettingKey | undefined {
  const queue = /^queues\.(.+)\.[^.]+$/.exec(dotted)?.[1];
  const keys = queue === undefined ? fixedKeys() : queueKeys(queue);
  return keys.find(({ key }) => key === dotted);
}

/** What may stand in a section, for error messages. */
export function namesIn(section: SectionClass): string {
  const { settings, sections, records } = declarationsOf(section);
  return [...settings.keys(), ...sections.keys(), ...records.keys()]
    .filter((name) => name !== ADMIN_KEY)
    .join(', ');
}

/** `database.dsn` is DATABASE_DSN, `queues.my-queue.rank` is QUEUES_MY_QUEUE_RANK. */
export function environmentName(path: readonly string[]): string {
  const text = path.join('_');
  return text.replace(/[^A-Za-z0-9]/g, '_').toUpperCase();
}

function* keysBelow(section: SectionClass, path: readonly string[]): Generator<SettingKey> {
  const { settings, sections } = declarationsOf(section);
  for (const [name, kind] of settings) {
    yield { key: [...path, name].join('.'), path: [...path, name], kind };
  }
  for (const [name, below] of sections) yield* keysBelow(below, [...path, name]);
}
