/** Settings that are read and checked already, for what comes with a later version. */
import type { Settings } from './settings.js';

/** The keys of those that are set: who sets one believes that it does something. */
export function unusedSettings({ api }: Settings): string[] {
  const values = { 'api.rate_limit': api.rate_limit };
  return Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [key]));
}
