import { formatDuration } from './durations.js';
import { declarationsOf } from './setting-kinds.js';
import type { Settings } from './settings.js';

/** The tree for a log line or for people: durations written out, secrets as `***`, what is not set left out. */
export function describeSettings(settings: Settings): Record<string, unknown> {
  return describe(settings);
}

function describe(section: object): Record<string, unknown> {
  const { settings, sections, records } = declarationsOf(section.constructor as new () => object);
  const described: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(section) as [string, unknown][]) {
    const kind = settings.get(name);
    if (value === undefined) continue;
    if (sections.has(name)) described[name] = describe(value as object);
    else if (records.has(name)) described[name] = describeRecord(value as Record<string, object>);
    else if (kind?.mask) described[name] = kind.mask(value as string);
    else described[name] = kind?.duration ? formatDuration(value as number) : value;
  }
  return described;
}

function describeRecord(record: Record<string, object>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([name, section]) => [name, describe(section)]));
}
