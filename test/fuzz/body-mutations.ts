/** Bodies that were good and have one thing broken, as the text that is sent. */
import fc from 'fast-check';
import { fits, isObject, type JsonSchema } from './json-schema.js';
import { EXTRA_KEYS, POISONS } from './poisons.js';

export interface BrokenBody {
  readonly kind: string;
  readonly text: string;
}

type Place = readonly (string | number)[];

/** Stands where text goes that JSON.stringify would not write. */
const GAP = '\uf8ffgap\uf8ff';

/** More than any list of this API takes. */
const OVER_THE_CAP = 1_100;

export function brokenBodies(good: fc.Arbitrary<unknown>): fc.Arbitrary<BrokenBody> {
  const broken = fc.oneof(
    { weight: 12, arbitrary: poisoned(good) },
    { weight: 3, arbitrary: withExtraKey(good) },
    { weight: 3, arbitrary: withoutKey(good) },
    { weight: 2, arbitrary: withKeyTwice(good) },
    { weight: 1, arbitrary: withLongList(good) },
    { weight: 2, arbitrary: notJson(good) },
  );
  return broken.filter((body): body is BrokenBody => body !== undefined);
}

/** False only for what the master must refuse: no JSON, or JSON that is not what the document describes. */
export function mayBeValid(text: string, schema: JsonSchema): boolean {
  try {
    // As readers do, one byte order mark is passed over.
    return fits(JSON.parse(text.replace(/^\ufeff/, '')), schema);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function poisoned(good: fc.Arbitrary<unknown>): fc.Arbitrary<BrokenBody | undefined> {
  const kind = fc.constantFrom(...Object.keys(POISONS));
  return fc.tuple(good, fc.nat(), kind, fc.nat()).map(([body, at, kind, which]) => {
    const poisons = POISONS[kind] ?? [];
    const poison = poisons[which % poisons.length] ?? '';
    const all = placesIn(body);
    return { kind, text: withText(body, all[at % all.length] ?? [], poison) };
  });
}

function withExtraKey(good: fc.Arbitrary<unknown>): fc.Arbitrary<BrokenBody | undefined> {
  return fc.tuple(good, fc.nat(), fc.constantFrom(...EXTRA_KEYS)).map(([body, at, key]) => {
    return { kind: 'extra key', text: withMember(body, at, `${JSON.stringify(key)}:1`) };
  });
}

function withoutKey(good: fc.Arbitrary<unknown>): fc.Arbitrary<BrokenBody | undefined> {
  return fc.tuple(good, fc.nat()).map(([body, at]) => {
    const places = placesIn(body).filter((place) => typeof place.at(-1) === 'string');
    const place = places[at % places.length];
    if (!place) return undefined;
    const copy = structuredClone(body);
    const parent = place.slice(0, -1).reduce<unknown>(inside, copy) as Record<string, unknown>;
    delete parent[String(place.at(-1))];
    return { kind: 'missing key', text: JSON.stringify(copy) };
  });
}

/** The last one counts, as in all of JavaScript. */
function withKeyTwice(good: fc.Arbitrary<unknown>): fc.Arbitrary<BrokenBody | undefined> {
  const second = fc.constantFrom('1', '"x"', 'null', '{}', '[]', '"00000000-0000-4000-8000-000000000000"');
  return fc.tuple(good, fc.nat(), second).map(([body, at, value]) => {
    const keys = isObject(body) ? Object.keys(body) : [];
    if (keys.length === 0) return undefined;
    const member = `${JSON.stringify(keys[at % keys.length])}:${value}`;
    const text = JSON.stringify(body);
    const twice = at % 2 === 0 ? `${text.slice(0, -1)},${member}}` : `{${member},${text.slice(1)}`;
    return { kind: 'duplicate key', text: twice };
  });
}

function withLongList(good: fc.Arbitrary<unknown>): fc.Arbitrary<BrokenBody | undefined> {
  return fc.tuple(good, fc.nat()).map(([body, at]) => {
    const lists = placesIn(body).flatMap((place) => {
      const list = place.reduce<unknown>(inside, body);
      return Array.isArray(list) && list.length > 0 ? [{ place, first: JSON.stringify(list[0]) }] : [];
    });
    const list = lists[at % lists.length];
    if (!list) return undefined;
    const long = `[${Array.from({ length: OVER_THE_CAP }, () => list.first).join(',')}]`;
    return { kind: 'list over its cap', text: withText(body, list.place, long) };
  });
}

function notJson(good: fc.Arbitrary<unknown>): fc.Arbitrary<BrokenBody> {
  const other = fc.constantFrom(
    ...['hello', 'a=b&c=d', '<a/>', '{', '}', '[', '{]', "{'a':1}", '{a:1}', '{"a":1,}', '{"a":1}{"a":1}'],
    ...['//x\n{}', 'undefined', '\ufeff', '\0', '"', '\ufffd\ufffd', 'null', '1', '"text"', '[]', 'true'],
    ...[
      '[{"scenario":"x"}]',
      '{"__proto__":{"scenario":"x"}}',
      '{"constructor":{"prototype":{"a":1}}}',
      '{}',
    ],
    ...[
      '['.repeat(200_000),
      '{"a":'.repeat(100_000),
      ' '.repeat(100_000),
      `{"a":"${'x'.repeat(1_100_000)}"}`,
    ],
  );
  const truncated = fc.tuple(good, fc.nat()).map(([body, at]) => {
    const text = JSON.stringify(body);
    return { kind: 'truncated', text: text.slice(0, 1 + (at % Math.max(1, text.length - 1))) };
  });
  const marked = good.map((body) => ({ kind: 'byte order mark', text: `\ufeff${JSON.stringify(body)}` }));
  return fc.oneof(
    { weight: 4, arbitrary: other.map((text) => ({ kind: 'not an object of JSON', text })) },
    { weight: 4, arbitrary: truncated },
    { weight: 1, arbitrary: marked },
  );
}

/** All places of a value, the whole first. */
function placesIn(value: unknown, place: Place = []): Place[] {
  const inner = Array.isArray(value)
    ? value.flatMap((item, index) => placesIn(item, [...place, index]))
    : isObject(value)
      ? Object.entries(value).flatMap(([key, item]) => placesIn(item, [...place, key]))
      : [];
  return [place, ...inner];
}

function inside(value: unknown, key: string | number): unknown {
  return (value as Record<string | number, unknown>)[key];
}

function withText(body: unknown, place: Place, text: string): string {
  const last = place.at(-1);
  if (last === undefined) return text;
  const copy = structuredClone(body);
  const parent = place.slice(0, -1).reduce<unknown>(inside, copy) as Record<string | number, unknown>;
  parent[last] = GAP;
  return JSON.stringify(copy).replace(JSON.stringify(GAP), () => text);
}

/** One more member in one of the objects. */
function withMember(body: unknown, at: number, member: string): string {
  const objects = placesIn(body).filter((place) => isObject(place.reduce<unknown>(inside, body)));
  const place = objects[at % objects.length] ?? [];
  const inner = JSON.stringify(place.reduce<unknown>(inside, body));
  const more = inner === '{}' ? `{${member}}` : `${inner.slice(0, -1)},${member}}`;
  return withText(body, place, more);
}
