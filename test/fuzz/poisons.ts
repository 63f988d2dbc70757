/**
 * What is put in the place of a good value, as the text that goes into the JSON: much of it is none that
 * JSON.stringify would write. By kind, since the kind is what a failure is told by.
 */
const text = (value: string) => JSON.stringify(value);
const nested = (open: string, close: string) => `${open.repeat(10_000)}${close.repeat(10_000)}`;

export const POISONS: Readonly<Record<string, readonly string[]>> = {
  'wrong type': ['true', '7', '"text"', '[]', '{}', '[[]]', '[null]', '{"a":1}', '"1"', '"true"', '""'],
  null: ['null'],
  'huge string': [text('x'.repeat(70_000)), text('𝄞'.repeat(9_000)), text('\\"'.repeat(5_000))],
  'huge list': [`[${'0,'.repeat(5_000)}0]`, `[${'{},'.repeat(2_000)}{}]`, `[${'"a",'.repeat(5_000)}"a"]`],
  'huge number': [
    ...['1e19', '1e30', '1e308', '1e400', '-1e400', '9223372036854775808', '18446744073709551616'],
    ...['2147483648', '4294967296', '1e15', '9'.repeat(400)],
  ],
  'no number': ['NaN', 'Infinity', '-Infinity', '0x10', '01', '+1', '1.', '.5', '1e', '1_000', '"NaN"'],
  negative: ['-1', '-0', '-0.5', '-2147483649', '-9223372036854775809', '-1e308'],
  '2^53+1': ['9007199254740993', '9007199254740992', '-9007199254740993'],
  fraction: ['0.5', '1.0000000001', '1.5e0', '5e-324', '1e-45', '1e-400', '0.1e1'],
  deep: [nested('[', ']'), nested('{"a":', '}').replace('}', '1}'), `${'['.repeat(33)}${']'.repeat(33)}`],
  NUL: [text('\0'), text('a\0b'), '"a\0b"', text('{"a":"\\u0000"}')],
  'half a surrogate pair': ['"\\ud800"', '"a\\udc00b"', '"\\udc00\\ud800"'],
  unicode: [
    text('😀🏴󠁧󠁢󠁳󠁣󠁴󠁿'),
    text('\u202eevil\u202d'),
    text(`e${'\u0301'.repeat(500)}`),
    text('\u200b\u2060\ufeff'),
    text('ﷺ'.repeat(30)),
    text('\uffff\ufffe'),
    text('İıſK'),
  ],
  'control characters': [text('\u0007\u001b[2J'), '"\u0001"', text('a\nb\r\nc: d'), text('\u0085\u2028')],
  'text that means something elsewhere': [
    ...['-rf', '../../etc/passwd', "'; DROP TABLE ffmpeg_master.jobs; --", '%s%n%d', '{{7*7}}', '${7*7}'],
    ...['$1', '\\', '{"}', 'http://169.254.169.254/', '<script>alert(1)</script>', 'all', '__proto__'],
  ].map(text),
};

/** Keys that no object of this API has. */
export const EXTRA_KEYS = [
  ...['unexpected', '', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', '0'],
  ...['\0', '\ud800', 'tenant_id', 'id', 'status', 'x'.repeat(10_000)],
];
