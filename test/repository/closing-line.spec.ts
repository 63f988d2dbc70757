import { describe, expect, it } from 'vitest';
import { closingLine } from '../support/closing-line.js';

describe('the closing line', () => {
  it('names what passed and failed, and what was skipped where something was', () => {
    expect(closingLine({ passed: 3, failed: 0, skipped: 0 }, 0)).toBe('3 passed, 0 failed');
    expect(closingLine({ passed: 3, failed: 2, skipped: 1 }, 1)).toBe('3 passed, 2 failed, 1 skipped');
  });

  it('never calls a failed run clean', () => {
    expect(closingLine({ passed: 3, failed: 0, skipped: 0 }, 1)).toBe('3 passed, 1 failed');
    expect(closingLine(undefined, 1)).toBe('0 passed, 1 failed');
  });
});
