/**
 * The checker. Each judge holds one promise against the evidence, and concludes only what must be so whatever the
 * order of operations that overlap: an operation took effect at some moment between its begin and its end, one
 * without an end at any moment later, or never.
 */
import type { Evidence, Judge, Violation } from './evidence.js';
import { i2, i3, i7 } from './lease-judges.js';
import { i10, i5, i6 } from './log-judges.js';
import { i12, i13, i4 } from './master-judges.js';
import { i1, i8, i9 } from './work-judges.js';

/** Every promise that can be read from a history; I11's times are measured, I14 awaits tenants. */
export const JUDGES: Readonly<Record<string, Judge>> = {
  I1: i1,
  I2: i2,
  I3: i3,
  I4: i4,
  I5: i5,
  I6: i6,
  I7: i7,
  I8: i8,
  I9: i9,
  I10: i10,
  I12: i12,
  I13: i13,
};

export function check(evidence: Evidence): Violation[] {
  return Object.values(JUDGES).flatMap((judge) => judge(evidence));
}
