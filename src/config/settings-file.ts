/** What people wrote in the YAML file, by key. */
import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { ConfigurationError, type SettingProblem } from './configuration-error.js';
import { type SectionClass, declarationsOf } from './setting-kinds.js';
import { ADMIN_KEY, keyAt, namesIn } from './setting-keys.js';
import { Settings } from './settings.js';
import { type Written, show, showKey, showUnknown } from './written-settings.js';

/** A file that is laid out in another way, in keys of ours. */
export interface Translated {
  readonly settings: readonly {
    readonly key: string;
    readonly value: unknown;
    /** The key in the file. */
    readonly written: string;
  }[];
  /** Keys of the file that are not understood, or that cannot be honoured. */
  readonly problems: readonly SettingProblem[];
}

/** Reads another layout; undefined where the content has ours. */
export type Layout = (content: unknown) => Translated | undefined;

/** Reads the file; a key without a value counts as not written. Throws a ConfigurationError if it is no YAML. */
export function writtenInFile(file: string, layout: Layout = () => undefined): Written {
  const source = `in ${file}`;
  const written: Written = { settings: [], problems: [] };
  const content = readYaml(file);
  const translated = layout(content);
  if (translated) return fromLayout(translated, file);
  visitSection(content, [], Settings);
  return written;

  function visitSection(value: unknown, path: readonly string[], section: SectionClass): void {
    const { settings, sections, records } = declarationsOf(section);
    for (const [name, below] of entriesOf(value, path, `a mapping with the keys ${namesIn(section)}`)) {
      const here = [...path, name];
      const kind = settings.get(name);
      const record = records.get(name);
      const nested = sections.get(name);
      if (here.join('.') === ADMIN_KEY)
        refuse(here, undefined, 'nothing here: set the environment variable MASTER_API_KEY');
      else if (kind && below !== null)
        written.settings.push({ key: here.join('.'), path: here, kind, value: below, source });
      else if (record) visitRecord(below, here, record.section, record.names);
      else if (nested) visitSection(below, here, nested);
      else if (!kind)
        refuse(here, showUnknown(below), `this key is unknown; known here are ${namesIn(section)}`);
    }
  }

  function visitRecord(value: unknown, path: readonly string[], section: SectionClass, names: RegExp): void {
    for (const [name, below] of entriesOf(value, path, 'a mapping by name')) {
      if (names.test(name)) visitSection(below, [...path, name], section);
      else
        refuse(
          [...path, name],
          undefined,
          'a name of 1 to 63 letters, digits and _ . -, beginning with a letter or digit',
        );
    }
  }

  function entriesOf(value: unknown, path: readonly string[], allowed: string): [string, unknown][] {
    if (value === null || value === undefined) return [];
    if (typeof value === 'object' && !Array.isArray(value)) return Object.entries(value);
    refuse(
      path.length === 0 ? ['--config'] : path,
      show(value, () => '***'),
      allowed,
    );
    return [];
  }

  function refuse(path: readonly string[], value: string | undefined, allowed: string): void {
    const problem: SettingProblem = {
      key: path.map(showKey).join('.'),
      source,
      allowed,
      ...(value !== undefined && { value }),
    };
    written.problems.push(problem);
  }
}

function fromLayout({ settings, problems }: Translated, file: string): Written {
  return {
    settings: settings.flatMap(({ key, value, written }) => {
      const known = keyAt(key);
      return known ? [{ ...known, value, source: `${written} in ${file}` }] : [];
    }),
    problems: problems.map((problem) => ({ ...problem, source: `in ${file}` })),
  };
}

/** The parser's own messages may quote a line of the file, so only the place and the code are passed on. */
function readYaml(file: string): unknown {
  const text = readText(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault) {
    const { line, col } = lines.linePos(fault.pos[0]);
    throw unreadable(file, `valid YAML; ${fault.code} at line ${line}, column ${col}`);
  }
  try {
    return document.toJS();
  } catch {
    throw unreadable(file, 'valid YAML; an alias leads nowhere, or to too much');
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw unreadable(
      file,
      `a YAML file that can be read; ${code === 'ENOENT' ? 'there is no such file' : message}`,
    );
  }
}

function unreadable(file: string, allowed: string): ConfigurationError {
  return new ConfigurationError([{ key: '--config', value: JSON.stringify(file), allowed }]);
}
