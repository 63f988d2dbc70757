/** Times as the databases of ffmpeg-rtmp hold them: several spellings, with and without a zone. Pure. */

/**
 * PostgreSQL writes `2026-01-07 10:00:00.123456`; the drivers of SQLite `2026-01-07T10:00:00Z`,
 * `2026-01-07 11:00:00.123456789+01:00` or, as Go prints a time, `2026-01-07 11:00:00.1 +0100 CET m=+0.5`.
 */
const WRITTEN =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?(?::?\d\d)?)?(\s+[A-Z][A-Za-z]*|\s+[+-]\d\d(?:\d\d)?)?(?:\s+m=[+-][\d.]+)?$/;

/** Go's zero time, which stands for none. */
const ZERO_YEAR = 1;

/**
 * The time in UTC as `2026-01-07T10:00:00.123456Z`, in microseconds; null for none; undefined where it cannot be read, or
 * lies outside of 1970 to 9999.
 * @param zone of times without one, as IANA names it; refused by `checkTimeZone` where nobody knows it
 */
export function readSourceTime(text: string, zone: string): string | null | undefined {
  const found = WRITTEN.exec(text.trim());
  if (found === null) return undefined;
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset, zoneName] =
    found;
  // Three letters alone tell no zone: CST is one of China, of Cuba and of Chicago.
  if (offset === undefined && zoneName !== undefined) return undefined;
  if (Number(year) === ZERO_YEAR) return null;
  const [h, min, sec] = [Number(hour), Number(minute), Number(second)];
  const wall = Date.UTC(Number(year), Number(month) - 1, Number(day), h, min, sec);
  // 31 February and 25 o'clock would be other times, silently.
  if (h > 23 || min > 59 || sec > 59 || new Date(wall).getUTCDate() !== Number(day)) return undefined;
  const ahead = offset === undefined ? offsetOf(zone, wall) : offsetIn(offset);
  const at = wall - ahead;
  if (!(at >= 0) || at > LATEST) return undefined;
  const seconds =
    ahead === 0
      ? `${year}-${month}-${day}T${hour}:${minute}:${second}`
      : new Date(at).toISOString().slice(0, 19);
  return `${seconds}.${fraction.padEnd(6, '0').slice(0, 6)}Z`;
}

const LATEST = Date.UTC(9999, 11, 31);

/** Seconds since 1970, as SQLite may hold a time. */
export function readSourceSeconds(seconds: number): string | undefined {
  const at = seconds * 1000;
  if (!(at >= 0) || at > LATEST) return undefined;
  return `${new Date(at).toISOString().slice(0, 23)}000Z`;
}

/** Throws RangeError for a name that is no time zone. */
export function checkTimeZone(zone: string): string {
  return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
}

function offsetIn(text: string): number {
  if (text === 'Z' || text === 'UTC' || text === 'GMT') return 0;
  const digits = text.slice(1).replaceAll(':', '').padEnd(6, '0');
  const ms =
    (Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2, 4)) * 60 + Number(digits.slice(4, 6))) * 1000;
  return text.startsWith('-') ? -ms : ms;
}

/**
 * What the wall clock of a zone is ahead of UTC, for a time on that clock. An hour that comes twice is taken for its first
 * coming, one that is left out for the time an hour later.
 */
function offsetOf(zone: string, wall: number): number {
  const before = aheadAt(zone, wall - DAY_MS);
  const after = aheadAt(zone, wall + DAY_MS);
  if (before === after) return before;
  return aheadAt(zone, wall - before) === before
    ? before
    : after === aheadAt(zone, wall - after)
      ? after
      : before;
}

const DAY_MS = 86_400_000;
const clocks = new Map<string, Intl.DateTimeFormat>();

function aheadAt(zone: string, at: number): number {
  if (zone === 'UTC') return 0;
  let clock = clocks.get(zone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      hourCycle: 'h23',
      ...{ year: 'numeric', month: '2-digit', day: '2-digit' },
      ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
    });
    clocks.set(zone, clock);
  }
  const parts = Object.fromEntries(clock.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
}
