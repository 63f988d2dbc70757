/** Requests whose body is good, or beside the point, and whose line, key, headers, path or query are broken. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Expectation, Sketch } from './fuzz-request.js';
import type { JsonSchema } from './json-schema.js';
import type { Operation } from './operations.js';

export interface Broken {
  readonly kind: string;
  readonly expect: Expectation;
  readonly sketch: Sketch;
}

type Header = readonly [name: string, value: string];

/** A wrong key in each of its forms. Only routes that take a key mind. */
export function wrongKeys(good: Sketch, { asksForKey }: Operation, key: string): fc.Arbitrary<Broken> {
  const forms = [
    ...['', 'Bearer', 'Bearer ', `bearer${key}`, `Basic ${btoa(`admin:${key}`)}`, `Bearer ${key}x`, key],
    ...[
      `Bearer ${key.slice(1)}`,
      `Bearer ${key}\0`,
      `Bearer ${key}, Bearer ${key}`,
      'Bearer null',
      'Bearer \u00ff',
    ],
    ...[
      `Bearer ${'k'.repeat(5_000)}`,
      `Bearer  `,
      `Token ${key}`,
      `Bearer ${key.toUpperCase()}`,
      'Bearer 😀',
    ],
  ];
  const sketches = [
    without(good, 'Authorization'),
    withHeader(without(good, 'Authorization'), ['X-Api-Key', key]),
    ...forms.map((form) => withHeader(without(good, 'Authorization'), ['Authorization', form])),
  ];
  const expect = asksForKey ? 'refused' : 'harmless';
  return fc.constantFrom(...sketches).map((sketch) => ({ kind: 'wrong key', expect, sketch }));
}

export function wrongBodies(good: Sketch, { body, method }: Operation): fc.Arbitrary<Broken> {
  // Nothing reads the body of a GET.
  const reads = method !== 'GET';
  const expect = reads ? 'refused' : 'harmless';
  const typed = (type: string | undefined, content: string | Buffer = '{"a":1}'): Sketch => ({
    ...(type === undefined
      ? without(good, 'Content-Type')
      : withHeader(without(good, 'Content-Type'), ['Content-Type', type])),
    body: content,
  });
  const types = [
    ...[
      'text/plain',
      'application/xml',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
    ],
    ...['application/jsonx', 'json', '', '*/*', 'application', 'text/json', 'x'.repeat(3_000), ';'],
  ];
  const json = 'application/json';
  const mine = good.body ?? '{}';
  return fc.oneof<fc.Arbitrary<Broken>[]>(
    fc.constantFrom(...types).map((type) => ({ kind: 'wrong Content-Type', expect, sketch: typed(type) })),
    fc.constant({ kind: 'no Content-Type', expect, sketch: typed(undefined) } as const),
    fc
      .constantFrom('hello', '{', '{"a":1}}', '\0', '\ufffd', '{"a":NaN}', '[1', '{"a":"\n"}')
      .map((text) => ({
        kind: 'not JSON',
        expect,
        sketch: typed(json, text),
      })),
    fc.constant({
      kind: 'no UTF-8',
      expect,
      sketch: typed(json, Buffer.from([0x80, 0xff, 0x00, 0xc3])),
    } as const),
    fc.constant({ kind: 'gzip', expect, sketch: typed(json, gzipSync('{"a":1}')) } as const),
    fc
      .constantFrom<Sketch>(
        withHeader(typed(json, mine), ['Content-Encoding', 'gzip']),
        withHeader(typed(json, mine), ['Content-Encoding', 'nonsense']),
        typed('application/json; charset=utf-16', mine),
        typed('APPLICATION/JSON;;;', mine),
        typed(json, Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])),
      )
      .map((sketch) => ({ kind: 'odd encoding', expect: reads ? 'any' : 'harmless', sketch })),
    fc
      .constantFrom(
        ...[
          { ...good, body: '' },
          { ...typed(json, ''), headers: good.headers },
        ],
      )
      .map((sketch) => ({
        kind: 'empty body',
        expect: body ? 'refused' : reads ? 'any' : 'harmless',
        sketch,
      })),
  );
}

const UNKNOWN = '00000000-0000-4000-8000-000000000000';

/** Names of things that are not there. */
const WRONG_NAMES = [
  ...[UNKNOWN, 'ffffffff-ffff-ffff-ffff-ffffffffffff', `${UNKNOWN}%00`, `%00${UNKNOWN}`, `${UNKNOWN}0`],
  ...[`{${UNKNOWN}}`, UNKNOWN.replaceAll('-', ''), `urn:uuid:${UNKNOWN}`, `${UNKNOWN}%0a`, `%20${UNKNOWN}`],
  ...[
    '1e400',
    '1e2',
    '-1',
    '0',
    '0x10',
    '4.2',
    '%2b1',
    '+1',
    '1_0',
    '١٢',
    '%D9%A1',
    'NaN',
    'null',
    'undefined',
  ],
  ...['9223372036854775808', '18446744073709551616', '9007199254740993', '999999999999999', '9'.repeat(400)],
  ...[
    '%00',
    '%',
    '%zz',
    '%e0%a4%a',
    '%ff',
    '%c0%80',
    '%ed%a0%80',
    '%F0%9F%98%80',
    '😀',
    'e%CC%81',
    '%e2%80%ae',
  ],
  ...[
    '..',
    '%2e%2e',
    '..%2f..%2fetc%2fpasswd',
    '..%5c..%5cwindows',
    '%252e%252e',
    '.',
    '~',
    '*',
    '%2f',
    '%5c',
  ],
  ...[
    'x'.repeat(90),
    'x'.repeat(300),
    'x'.repeat(9_000),
    'a%27%3b--',
    "'",
    '%22',
    '%0d%0aSet-Cookie:a=b',
    '%1b',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    ':reference',
    '{id}',
    'no-such',
    'a:b',
    'a@b',
    'a%3fb',
  ],
];

export function wrongPaths(good: Sketch, { path }: Operation): fc.Arbitrary<Broken> | undefined {
  if (!path.includes('{')) return undefined;
  return fc.constantFrom(...WRONG_NAMES).map((name) => ({
    kind: 'wrong id',
    expect: 'refused',
    sketch: { ...good, target: path.replace(/\{[^}]+\}/, () => name) },
  }));
}

/** Of these, what the parameter's schema cannot mean by any reading. */
const WRONG_VALUES: Readonly<Record<string, readonly string[]>> = {
  integer: [
    '-1',
    '1e400',
    'NaN',
    '1.5',
    '99999999999999999999',
    'ten',
    '%00',
    'true',
    '0x',
    '1,2',
    '%F0%9F%98%80',
  ],
  uuid: [UNKNOWN.slice(1), 'no', '%00', `${UNKNOWN}%00`, '1', '%ed%a0%80', '{}', '%2e%2e', 'x'.repeat(7_000)],
  'date-time': [
    'yesterday',
    '2030',
    '2030-02-30T00:00:00Z',
    '2030-01-01T00:00:00',
    '0000-00-00',
    '%00',
    '-1',
    '1e9',
  ],
  boolean: ['maybe', '1', '0', 'TRUE', '%00', 'null', 'true,false'],
  array: [
    'queued,',
    'done',
    'queued,done',
    ',',
    '%00',
    'queued%00',
    `${'queued,'.repeat(20)}queued`,
    '__proto__',
  ],
  string: [
    '%00',
    'a%00b',
    '%F0%9F%98%80',
    '%ed%a0%80',
    '%20',
    'a%0ab',
    '=',
    `%27%3b--`,
    'x'.repeat(7_000),
    '-a',
  ],
};

export function wrongQueries(good: Sketch, { query, method }: Operation): fc.Arbitrary<Broken> {
  const names = Object.keys(query);
  const odd = [
    '?',
    '?&&&',
    '?=',
    '?=1',
    '?a',
    '?%00=1',
    '?%zz=%zz',
    `?${'a=1&'.repeat(2_000)}`,
    '?__proto__=1',
  ];
  const more = [
    '?constructor=1',
    '?a[]=1&a[b]=2',
    '?limit[$gt]=1',
    '?toString=1',
    '?#',
    '?a=😀',
    '?hasOwnProperty=1',
  ];
  const added = (text: string) => ({ ...good, target: `${good.target}${text}` });
  const loose = fc
    .constantFrom(...odd, ...more)
    .map((text) => ({ kind: 'odd query', expect: harmlessGet(method), sketch: added(text) }));
  if (names.length === 0) return loose;
  const unknown = [
    '?unexpected=1',
    '?limit[]=1',
    '?status[0]=queued',
    '?Limit=1',
    '?tenant_id=a',
    '?__proto__[a]=1',
  ];
  const single = names.flatMap((name) => {
    const values = WRONG_VALUES[kindOf(query[name] ?? {})] ?? [];
    return values.map((value) => `?${name}=${value}`);
  });
  // The cursor of a list that takes all text that looks like one.
  const cursors = query['cursor']
    ? ['?cursor=%00', '?cursor=%2e%2e', '?cursor=-', '?cursor=%F0%9F%98%80']
    : [];
  const repeated = names
    .filter((name) => kindOf(query[name] ?? {}) !== 'array')
    .map((name) => `?${name}=1&${name}=2`);
  return fc.oneof(
    { weight: 1, arbitrary: loose },
    {
      weight: 4,
      arbitrary: fc.constantFrom(...unknown, ...single, ...cursors, ...repeated).map((text) => ({
        kind: 'wrong query',
        expect: 'refused' as const,
        sketch: added(text),
      })),
    },
  );
}

function kindOf({ type, format }: JsonSchema): string {
  return format ?? type ?? 'string';
}

/** Methods that the path does not have; CONNECT asks a proxy, and Node hangs up. */
const METHODS = [
  'GET',
  'PUT',
  'PATCH',
  'DELETE',
  'POST',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'M-SEARCH',
  'FOO',
  'get',
];

export function wrongMethods(good: Sketch, theirs: readonly string[]): fc.Arbitrary<Broken> {
  const others = METHODS.filter((method) => !theirs.includes(method));
  const { body: _, ...bare } = good;
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(...others).map((method) => ({
        kind: 'wrong method',
        expect: 'refused' as const,
        sketch: { ...bare, method },
      })),
    },
    {
      weight: 1,
      arbitrary: fc.constant({
        kind: 'HEAD',
        expect: 'harmless',
        sketch: { ...bare, method: 'HEAD' },
      } as const),
    },
  );
}

export function wrongHeaders(good: Sketch, { headers, method, path }: Operation): fc.Arbitrary<Broken> {
  const loose: Header[] = [
    ['Accept', 'text/event-stream'],
    ['Accept', '\u00ff'],
    ['Range', 'bytes=0-1,1-2,-5'],
    ['X-Request-Id', '\u00e9'.repeat(300)],
    ['X-Forwarded-For', '999.999.999.999, ::, 😀'],
    ['X-HTTP-Method-Override', 'DELETE'],
    ['If-None-Match', '*'],
    ['Upgrade', 'websocket'],
    ['Upgrade', 'h2c'],
    ['Cookie', 'a'.repeat(4_000)],
    ['Expect', '100-continue'],
    ['TE', 'trailers, deflate;q=0.5'],
    ['__proto__', 'a'],
    ['constructor', 'a'],
    ['Host', 'elsewhere'],
  ];
  const keys = ['', ' ', 'a b', 'x'.repeat(256), 'ü', 'a\tb', '\u007f', '😀'];
  const places = [
    'yesterday',
    '1-2-3',
    '-1-1-1-20260101',
    '1-1-1-20261301',
    '1-1-1-00000000',
    `1-${'9'.repeat(20)}-1-20260101`,
  ];
  const odd: Broken[] = loose.map((header) => ({
    kind: 'odd header',
    expect: harmlessGet(method),
    sketch: withHeader(good, header),
  }));
  if (headers.includes('idempotency-key')) {
    for (const key of keys)
      odd.push({
        kind: 'wrong Idempotency-Key',
        expect: 'refused',
        sketch: withHeader(good, ['Idempotency-Key', key]),
      });
    const twice = withHeader(withHeader(good, ['Idempotency-Key', 'a']), ['Idempotency-Key', 'b']);
    odd.push({ kind: 'wrong Idempotency-Key', expect: 'refused', sketch: twice });
  }
  if (headers.includes('last-event-id')) {
    const all = path === '/api/v1/events';
    for (const place of places)
      odd.push({
        kind: 'wrong Last-Event-ID',
        expect: all ? 'refused' : 'harmless',
        sketch: withHeader(good, ['Last-Event-ID', place]),
      });
    for (const place of PLAUSIBLE_PLACES)
      odd.push({
        kind: 'odd Last-Event-ID',
        expect: 'harmless',
        sketch: withHeader(good, ['Last-Event-ID', place]),
      });
  }
  return fc.constantFrom(...odd);
}

/** Well-formed, and nowhere near. */
const PLAUSIBLE_PLACES = [
  ...['999999999-1-1-20260101', '1-9999999999999999999-999999999999999-20260101', '1-1-1-00000101'],
  ...['1-1-1-99991231', '1-0-0-19700101', '1-3-0-99991231', '999999999', '0', '2147483648'],
];

/** What is no HTTP, or hardly: told by the parser before anything of ours is asked. */
export function wrongTransport(good: Sketch, { method }: Operation): fc.Arbitrary<Broken> {
  const { body = '{}', ...bare } = good;
  const has = (...headers: Header[]) => headers.reduce(withHeader, { ...good, body });
  const broken: Sketch[] = [
    { ...good, version: 'HTTP/9.9' },
    { ...good, version: 'HTTQ/1.1' },
    { ...good, version: '' },
    { ...good, target: `${good.target} with a blank` },
    { ...good, target: `/${'a'.repeat(20_000)}` },
    without(good, 'Host'),
    has(['Content-Length', '-1']),
    has(['Content-Length', 'abc']),
    has(['Content-Length', '1'], ['Content-Length', '2']),
    has(['Content-Length', '2'], ['Transfer-Encoding', 'chunked']),
    has(['Content-Length', '99999999999999999999999']),
    has(['Transfer-Encoding', 'nonsense']),
    has(['Expect', 'the impossible']),
    has(['X Blank', 'a']),
    has(['X\u0000', 'a']),
    has(['', 'a']),
    has(['X-Control', 'a\u0000b']),
    has(['X-Control', 'a\rb']),
    has(['X-Huge', 'x'.repeat(20_000)]),
    Array.from({ length: 1_500 }, (_, k) => [`X-Many-${k}`, 'a'] as const).reduce(withHeader, good),
  ];
  const chunked = withHeader(bare, ['Transfer-Encoding', 'chunked']);
  const chunks: Sketch[] = [
    { ...chunked, body: 'zz\r\n{}\r\n0\r\n\r\n' },
    { ...chunked, body: '-1\r\n{}\r\n0\r\n\r\n' },
    { ...chunked, body: 'ffffffffffffffffff\r\n' },
    { ...chunked, body: '2\r\n{}no end of line' },
  ];
  const loose: Sketch[] = [
    { ...chunked, body: `${body.length.toString(16)};ext=1\r\n${String(body)}\r\n0\r\nX-Trailer: a\r\n\r\n` },
    { ...good, version: 'HTTP/1.0' },
    { ...good, target: `http://elsewhere${good.target}` },
    { ...good, target: `/${good.target}` },
    { ...good, target: `${good.target}/` },
    { ...good, target: good.target.toUpperCase() },
    { ...good, target: `${good.target};a=b` },
    { ...good, target: `${good.target}/%2e%2e/jobs` },
    { ...good, target: '*' },
    { ...good, target: good.target.replaceAll('/', '\\') },
  ];
  // What is answered before the body was read may be an answer, where nobody reads the body.
  const inTheBody: Expectation = method === 'GET' ? 'harmless' : 'refused';
  return fc.oneof<fc.Arbitrary<Broken>[]>(
    fc.constantFrom(...broken).map((sketch) => ({ kind: 'no HTTP', expect: 'refused' as const, sketch })),
    fc.constantFrom(...chunks).map((sketch) => ({ kind: 'wrong chunks', expect: inTheBody, sketch })),
    fc.constantFrom(...loose).map((sketch) => ({ kind: 'odd HTTP', expect: harmlessGet(method), sketch })),
  );
}

function harmlessGet(method: string): Expectation {
  return method === 'GET' ? 'harmless' : 'any';
}

export function withHeader(sketch: Sketch, header: Header): Sketch {
  return { ...sketch, headers: [...sketch.headers, header] };
}

function without(sketch: Sketch, name: string): Sketch {
  return { ...sketch, headers: sketch.headers.filter(([other]) => other !== name) };
}
