/** Flags as Go's package `flag` reads them: `-name value`, `-name=value`, with one dash or two, booleans without a value. */

export interface GoFlag {
  /** As it was written, `-tls=false`; a value that follows is left out, for it may be a key. */
  readonly written: string;
  readonly name: string;
  readonly value: string;
}

export class GoFlagError extends Error {}

/**
 * @param booleans names of the flags that take no value of their own
 * Throws a GoFlagError where a value is missing, or where something is no flag.
 */
export function readGoFlags(argv: readonly string[], booleans: ReadonlySet<string>): GoFlag[] {
  const flags: GoFlag[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const written = argv[at] ?? '';
    const [, name, value] = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(written) ?? [];
    if (name === undefined) throw new GoFlagError(`${JSON.stringify(written)} is no flag`);
    if (value !== undefined) flags.push({ written: `-${name}=…`, name, value });
    else if (booleans.has(name)) flags.push({ written: `-${name}`, name, value: 'true' });
    else {
      const next = argv[(at += 1)];
      if (next === undefined) throw new GoFlagError(`-${name} needs a value`);
      flags.push({ written: `-${name}`, name, value: next });
    }
  }
  return flags;
}

/** What Go takes for a truth value; undefined for anything else. */
export function readGoBoolean(value: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value)) return false;
  return undefined;
}
