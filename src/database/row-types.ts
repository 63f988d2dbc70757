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

function entry(parse: Parse): (text: string | null) => unknown {
  return (text) => (text === null ? null : parse(text));
}
