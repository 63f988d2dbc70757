import { ValidateBy, buildMessage, type ValidationOptions } from 'class-validator';

/**
 * A moment as RFC 3339 writes it, `2030-01-31T12:00:00Z` or `…+02:00`, that exists in the calendar and lies in
 * the years 1970 to 9999 (UTC). Stricter than ISO 8601, whose other forms harm: `2030` and `2030-W01` mean
 * nothing to PostgreSQL, and a time without an offset means another moment in each machine's zone.
 */
export function IsTimestamp(options?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isTimestamp',
      validator: {
        validate: isTimestamp,
        defaultMessage: buildMessage(
          (prefix) =>
            `${prefix}$property must be a time with its offset, such as 2030-01-31T12:00:00Z or 2030-01-31T12:00:00+02:00`,
          options,
        ),
      },
    },
    options,
  );
}

// Offsets as far as PostgreSQL takes them, which is beyond all that are in use.
const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-](0\d|1[0-5]):[0-5]\d)$/;

const FIRST = Date.UTC(1970, 0, 1);
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

export function isTimestamp(value: unknown): value is string {
  const [, year, month, day] = (typeof value === 'string' && RFC_3339.exec(value)) || [];
  if (year === undefined || month === undefined || day === undefined) return false;
  // Date takes 30 February for the second of March.
  if (new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() !== Number(day))
    return false;
  const moment = Date.parse(value as string);
  return moment >= FIRST && moment <= LAST;
}
