/** Durations as people write them in Go's style (`5m`, `1h30m`, `500ms`, `30d`), in milliseconds. */

/** A whole number of milliseconds. */
export type Milliseconds = number;

/** What a person may write, for error messages. */
export const DURATION_FORM = 'a duration with its unit, such as 500ms, 30s, 5m, 1h30m or 30d';

/**
 * Reads a duration: one or more numbers, each with its unit (d, h, m, s, ms), or a plain `0`.
 * Throws a RangeError for anything else, fractions of a millisecond among them.
 */
export function parseDuration(text: string): Milliseconds {
  if (text === '0') return 0;
  if (!DURATION.test(text)) throw new RangeError(`expected ${DURATION_FORM}`);
  let total = 0;
  for (const [, number, unit] of text.matchAll(PART)) {
    total += Number(number) * UNITS[unit as Unit];
  }
  // 1.1s is 1100.0000000000002 in binary: what is within a millionth of a whole millisecond is whole.
  const whole = Math.round(total);
  if (Math.abs(total - whole) > 1e-6 || !Number.isSafeInteger(whole)) {
    throw new RangeError(`expected ${DURATION_FORM}, in whole milliseconds`);
  }
  return whole;
}

/** Writes a duration so that `parseDuration` reads the same number: `1h30m`, `500ms`, `0s`. */
export function formatDuration(duration: Milliseconds): string {
  let rest = Math.round(duration);
  let text = '';
  for (const [unit, size] of Object.entries(UNITS)) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text || '0s';
}

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
type Unit = keyof typeof UNITS;

const DURATION = /^(?:(?:\d+(?:\.\d+)?)(?:ms|[dhms]))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|[dhms])/g;
