/**
 * Tests that need a program which is no npm package (docker-compose, haproxy). Where it is missing they are
 * skipped, loudly; in CI, which installs it, they fail.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** As `describe`, for tests that run `program`. `versionFlag` is any argument with which it just exits. */
export function describeWith(program: string, versionFlag: string, tests: () => void): void {
  const installed = spawnSync(program, [versionFlag], { stdio: 'ignore' }).error === undefined;
  if (installed) {
    describe(`with ${program}`, tests);
  } else if (process.env.CI === 'true') {
    it(`needs ${program}`, () => expect.fail(`${program} is not installed, and CI may not skip its tests.`));
  } else {
    console.warn(`SKIPPED: ${program} is not installed; on Debian: apt-get install ${program}`);
    describe.skip(`with ${program}`, tests);
  }
}
