/**
 * The last line of a test run, `N passed, N failed` and where some were skipped `, N skipped`: one line that
 * people and scripts can read whatever the reporter above it prints. It is written at the exit of the
 * process, so that nothing comes after it, and it never says `0 failed` of a run that failed.
 */
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export default class ClosingLine implements Reporter {
  private counts: Counts | undefined;

  onInit(): void {
    process.once('exit', (status) => process.stdout.write(`${closingLine(this.counts, status)}\n`));
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    this.counts = count(modules, errors.length);
  }
}

/** `counts` is undefined where the run ended before its tests did, in a global set-up for instance. */
export function closingLine(counts: Counts | undefined, status: number | string | undefined): string {
  const { passed, failed, skipped } = counts ?? { passed: 0, failed: 1, skipped: 0 };
  const failures = failed === 0 && status ? 1 : failed;
  return `${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** A file that could not be loaded, a failing hook and an error outside all tests count as one failure each. */
function count(modules: readonly TestModule[], errorsOutside: number): Counts {
  const counts: Counts = { passed: 0, failed: errorsOutside, skipped: 0 };
  for (const module of modules) {
    let failedTests = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'skipped') counts.skipped += 1;
      else failedTests += 1;
    }
    counts.failed += failedTests === 0 && !module.ok() ? 1 : failedTests;
  }
  return counts;
}
