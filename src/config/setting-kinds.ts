/**
 * The kinds of setting, as decorators. Each adds class-validator's checks to a property and notes how the
 * property is written by people, so that the loader, the masking and the docs follow the classes alone.
 */
import { isIP } from 'node:net';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  IsString,
  Max,
  Min,
  MinLength,
  ValidateBy,
} from 'class-validator';
import { DURATION_FORM, type Milliseconds, formatDuration, parseDuration } from './durations.js';
import { DsnError, maskDsn, parseDsn } from './dsn.js';

/** How one setting is read and shown. */
export interface SettingKind {
  /** What a person may write, for error messages. */
  readonly allowed: string;
  /** How to show a value that may hold a secret; absent where it cannot. */
  readonly mask?: (written: string) => string;
  /** True where the value is milliseconds. */
  readonly duration: boolean;
  /** Turns YAML, environment or flag text into the property's type; answers the unreadable as it is, for the validator to refuse. */
  read(written: unknown): unknown;
}

export type SectionClass = new () => object;

/** What a settings class declares, by property. */
export interface SettingDeclarations {
  readonly settings: Map<string, SettingKind>;
  /** Nested sections. */
  readonly sections: Map<string, SectionClass>;
  /** Records of sections by a name that the operator chooses. */
  readonly records: Map<string, { section: SectionClass; names: RegExp }>;
}

export function declarationsOf(settingsClass: SectionClass): SettingDeclarations {
  return declarationsAt(settingsClass.prototype as object);
}

export function Section(section: SectionClass): PropertyDecorator {
  return (target, property) => void declarationsAt(target).sections.set(String(property), section);
}

export function SectionsByName(section: SectionClass, names: RegExp): PropertyDecorator {
  return (target, property) => void declarationsAt(target).records.set(String(property), { section, names });
}

export function Text(allowed = 'a text that is not empty'): PropertyDecorator {
  return setting({ allowed, read: asWritten }, [IsString, MinLength.bind(null, 1)]);
}

export function Choice(values: readonly string[], refusals: Record<string, string> = {}): PropertyDecorator {
  const allowed = values.join(' or ');
  const message = ({ value }: { value: unknown }) => refusals[String(value)] ?? allowed;
  return setting({ allowed, read: asWritten }, [() => IsIn([...values], { message })]);
}

export function Flag(): PropertyDecorator {
  return setting({ allowed: 'true or false', read: readFlag }, [IsBoolean]);
}

export function Integer(
  { min, max }: { min: number; max: number },
  allowed = `a whole number, ${min} to ${max}`,
): PropertyDecorator {
  return setting({ allowed, read: readNumber }, [IsInt, Min.bind(null, min), Max.bind(null, max)]);
}

export function Decimal({ min, max }: { min: number; max: number }): PropertyDecorator {
  const allowed = `a number, ${min} to ${max}`;
  return setting({ allowed, read: readNumber }, [
    IsNumber.bind(null, {}),
    Min.bind(null, min),
    Max.bind(null, max),
  ]);
}

export function Port(): PropertyDecorator {
  return Integer({ min: 0, max: 65_535 }, 'a port, 1 to 65535, or 0 for any free one');
}

/**
 * A duration; without bounds any that a timer can wait for. Node's timers hold 2^31 - 1 ms, which is
 * 24.8 days, and fire at once when given more.
 */
export function Duration({
  min = 1,
  max = parseDuration('24d'),
}: { min?: Milliseconds; max?: Milliseconds } = {}): PropertyDecorator {
  const allowed = `${DURATION_FORM}, from ${formatDuration(min)} to ${formatDuration(max)}`;
  return setting({ allowed, read: readDuration, duration: true }, [
    IsInt,
    Min.bind(null, min),
    Max.bind(null, max),
  ]);
}

export function TextList(): PropertyDecorator {
  return setting({ allowed: 'a list of texts (comma separated in the environment)', read: readList }, [
    IsArray,
    (options) => IsString({ ...options, each: true }),
    (options) => MinLength(1, { ...options, each: true }),
  ]);
}

/** Addresses and networks: `10.0.0.0/8`, `::1`. */
export function NetworkList(): PropertyDecorator {
  return setting({ allowed: 'a list of addresses or networks, such as 10.0.0.0/8 or ::1', read: readList }, [
    IsArray,
    (options) =>
      ValidateBy({ name: 'isNetwork', validator: { validate: isNetwork } }, { ...options, each: true }),
  ]);
}

/** A connection string of PostgreSQL. Its value is a secret, and so is any part of one that cannot be read. */
export function ConnectionString(): PropertyDecorator {
  const message = ({ value }: { value: unknown }) => refusalOfDsn(value) ?? '';
  const validate = (value: unknown) => refusalOfDsn(value) === undefined;
  return setting({ allowed: 'a DSN', mask: maskDsn, read: asWritten }, [
    () => ValidateBy({ name: 'isDsn', validator: { validate } }, { message }),
  ]);
}

/** A secret text of at least so many characters. */
export function Secret(minLength: number): PropertyDecorator {
  return setting({ allowed: `${minLength} characters or more`, mask: () => '***', read: asWritten }, [
    IsString,
    MinLength.bind(null, minLength),
  ]);
}

type Check = (options: { message: string }) => PropertyDecorator;

/** Every kind lets undefined pass: what must be there has a default or a rule of its own. */
function setting(
  kind: Partial<SettingKind> & Pick<SettingKind, 'allowed' | 'read'>,
  checks: readonly Check[],
): PropertyDecorator {
  return (target, property) => {
    declarationsAt(target).settings.set(String(property), { duration: false, ...kind });
    IsOptional()(target, property);
    for (const check of checks) check({ message: kind.allowed })(target, property);
  };
}

const declared = new WeakMap<object, SettingDeclarations>();

function declarationsAt(prototype: object): SettingDeclarations {
  const found = declared.get(prototype) ?? { settings: new Map(), sections: new Map(), records: new Map() };
  declared.set(prototype, found);
  return found;
}

function asWritten(written: unknown): unknown {
  return written;
}

function readFlag(written: unknown): unknown {
  return written === 'true' ? true : written === 'false' ? false : written;
}

function readNumber(written: unknown): unknown {
  return typeof written === 'string' && /^[+-]?\d+(\.\d+)?$/.test(written) ? Number(written) : written;
}

/** A bare number has no unit, so it is no duration; nought needs none. */
function readDuration(written: unknown): unknown {
  if (written === 0) return 0;
  if (typeof written !== 'string') return Number.NaN;
  try {
    return parseDuration(written);
  } catch {
    return written;
  }
}

function readList(written: unknown): unknown {
  return typeof written === 'string' ? written.split(',').map((item) => item.trim()) : written;
}

function refusalOfDsn(value: unknown): string | undefined {
  try {
    parseDsn(String(value));
    return undefined;
  } catch (error) {
    if (error instanceof DsnError) return error.message;
    throw error;
  }
}

function isNetwork(value: unknown): boolean {
  const [address = '', prefix, ...rest] = String(value).split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}
