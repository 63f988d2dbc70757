/**
 * Faults that need what a machine may lack (Debian packages, root): where it is missing they are skipped, loudly; in
 * CI, which installs it, they fail.
 */
import { describe, expect, it } from 'vitest';

/** @param missing what is missing, for `apt-get install` or in words; empty where all is there */
export function describeWhere(title: string, missing: readonly string[], tests: () => void): void {
  if (missing.length === 0) {
    describe(title, tests);
  } else if (process.env.CI === 'true') {
    it(`${title} needs ${missing.join(', ')}`, () =>
      expect.fail(`CI may not skip this: ${missing.join(', ')} is missing.`));
  } else {
    console.warn(`SKIPPED: ${title}: this machine lacks ${missing.join(', ')}`);
    describe.skip(title, tests);
  }
}
