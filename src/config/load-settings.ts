/**
 * The way to settings that every command takes: what was written (flags before environment before YAML)
 * over the defaults, checked by class-validator, then made whole.
 */
import { validateSync } from 'class-validator';
import { ConfigurationError, type SettingProblem } from './configuration-error.js';
import { QueueSettings, Settings } from './settings.js';
import { settle } from './settle-settings.js';
import { type Layout, writtenInFile } from './settings-file.js';
import {
  type Written,
  type WrittenSetting,
  show,
  writtenAsFlags,
  writtenInEnvironment,
} from './written-settings.js';

export interface SettingsSources {
  /** A YAML file. */
  configFile?: string | undefined;
  /** Default: the environment of this process. */
  env?: NodeJS.ProcessEnv;
  /** What flags of a command say, by dotted key: `{'api.port': 8081}`. Undefined: the flag was not given. */
  overrides?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Other defaults than ours, by dotted key: whatever else is written prevails. */
  defaults?: Readonly<Record<string, string>>;
  /** Another layout that the file may have. */
  layout?: Layout;
}

/** Throws a ConfigurationError that lists everything that is wrong. */
export function loadSettings({
  configFile,
  env = process.env,
  overrides = {},
  defaults = {},
  layout,
}: SettingsSources = {}): Settings {
  const inFile: Written =
    configFile === undefined ? { settings: [], problems: [] } : writtenInFile(configFile, layout);
  const asFlags = writtenAsFlags(overrides);
  const queues = queueNames([...inFile.settings, ...asFlags.settings]);
  const inEnvironment = writtenInEnvironment(env, queues);
  const sources = [writtenAsFlags(defaults), inFile, inEnvironment, asFlags];
  const written = new Map(
    sources.flatMap(({ settings }) => settings.map((setting) => [setting.key, setting])),
  );

  const settings = new Settings();
  for (const setting of written.values()) place(settings, setting);
  const problems = [...sources.flatMap((source) => source.problems), ...refusals(settings, written)];
  // The rules between settings read their values, so each must be right by itself first.
  if (problems.length === 0) problems.push(...settle(settings, new Set(written.keys()), env));
  if (problems.length > 0) throw new ConfigurationError(problems);
  return settings;
}

function queueNames(settings: readonly WrittenSetting[]): Set<string> {
  return new Set(
    settings.flatMap(({ path: [section, name] }) => (section === 'queues' && name ? [name] : [])),
  );
}

function place(settings: Settings, { path, kind, value }: WrittenSetting): void {
  const [section = '', queue = ''] = path;
  if (section === 'queues') settings.queues[queue] ??= new QueueSettings();
  const parent = path.slice(0, -1).reduce((node, step) => node[step] as Tree, settings as unknown as Tree);
  parent[path.at(-1) ?? ''] = kind.read(value);
}

type Tree = Record<string, unknown>;

function refusals(settings: Settings, written: ReadonlyMap<string, WrittenSetting>): SettingProblem[] {
  const { queues, master_api_key: _, ...sections } = settings;
  return [
    ...refusalsIn(settings, ''),
    ...Object.entries(sections).flatMap(([name, section]) => refusalsIn(section, `${name}.`)),
    ...Object.entries(queues).flatMap(([name, queue]) => refusalsIn(queue, `queues.${name}.`)),
  ];

  function refusalsIn(section: object, prefix: string): SettingProblem[] {
    return validateSync(section, { stopAtFirstError: true }).map((error) => {
      const key = prefix + error.property;
      const setting = written.get(key);
      const [allowed = ''] = Object.values(error.constraints ?? {});
      return {
        key,
        allowed,
        ...(setting && { value: show(setting.value, setting.kind.mask), source: setting.source }),
      };
    });
  }
}
