/**
 * How values of the server become JavaScript's. Beside the defaults of `pg` (jsonb is parsed, timestamptz
 * is a Date): bigint and numeric are numbers, date is 'YYYY-MM-DD'.
 *
 * Every bigint of ours stays below 2^53: tokens and epochs jump by 2^32 when the database's identity
 * changes, which it would have to do two million times. One beyond is an error rather than a wrong number.
 */
import pg from 'pg';

type Parse = (text: string) => unknown;

const { builtins } = pg.types;
/** Its types describe a later version of pg-types than the one that `pg` brings. */
const arrayParser = pg.types.arrayParser as unknown as {
  create(source: string, transform: (entry: string | null) => unknown): { parse(): unknown[] };
};

const parsers = new Map<number, Parse>([
  [builtins.INT8, safeInteger],
  [builtins.NUMERIC, Number],
  [builtins.DATE, String],
  [builtins.TIMESTAMPTZ, instant],
  [1016, (text) => arrayParser.create(text, entry(safeInteger)).parse()],
  [1231, (text) => arrayParser.create(text, entry(Number)).parse()],
  [1182, (text) => arrayParser.create(text, entry(String)).parse()],
]);

export const rowTypes = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): Parse {
    const own = format === 'binary' ? undefined : parsers.get(oid);
    return own ?? (pg.types.getTypeParser(oid, format) as Parse);
  },
};

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`the bigint ${text} does not fit a JavaScript number`);
  return value;
}

const anyInstant = pg.types.getTypeParser(builtins.TIMESTAMPTZ) as Parse;

/** As a server in UTC writes the years that jobs live in. */
const IN_UTC = /^[1-9]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+00$/;

/** A quarter of what the reader of `pg` takes, which knows all zones and calendars; each job claimed has one. */
function instant(text: string): unknown {
  if (!IN_UTC.test(text)) return anyInstant(text);
  const two = (at: number) => 10 * digit(text, at) + digit(text, at + 1);
  const milliseconds = 100 * digit(text, 20) + 10 * digit(text, 21) + digit(text, 22);
  return new Date(
    Date.UTC(100 * two(0) + two(2), two(5) - 1, two(8), two(11), two(14), two(17), milliseconds),
  );
}

/** 0 where the fraction of a second, of which zeros at the end are not written, is over or was never begun. */
function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : 0;
}

function entry(parse: Parse): (text: string | null) => unknown {
  return (text) => (text === null ? null : parse(text));
}
