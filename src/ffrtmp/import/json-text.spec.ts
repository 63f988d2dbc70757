import { expect, it } from 'vitest';
import { storableJson } from './json-text.js';

it.each([
  ['{"a":1}', '{"a":1}'],
  // A pair of escapes is one character; what is no escape stays.
  [String.raw`{"a":"\ud83d\ude00","n":9007199254740993}`, undefined],
  [String.raw`{"a":"\\u0000 \\\\ud800","n":9007199254740993}`, undefined],
  // A number in a text is none.
  ['{"id":"4e123-1e999","n":9007199254740993}', undefined],
  [`{"digits":"${'9'.repeat(500)}","q":"\\"1e999"}`, undefined],
  [String.raw`{"a":"x\u0000y","n":9007199254740993}`, '{"a":"x\ufffdy","n":9007199254740993}'],
  [String.raw`{"\ud800":"\udc00\ud83d\ude00\ud83d"}`, `{"\ufffd":"\ufffd${String.raw`\ud83d\ude00`}\ufffd"}`],
  [`[1e9999,-1E+400,1e100,${'9'.repeat(500)},9007199254740993]`, '[null,null,1e+100,null,9007199254740993]'],
])('%s', (text, wanted = text) => {
  const { text: kept, isChanged } = storableJson(text);
  expect(kept).toBe(wanted);
  expect(isChanged).toBe(wanted !== text);
  expect(() => JSON.parse(kept) as unknown).not.toThrow();
});

it('tells whether JavaScript reads its whole numbers as they are', () => {
  expect(storableJson('[9007199254740991, "9007199254740993", 1.2345678901234567]').isExact).toBe(true);
  expect(storableJson('[9007199254740993]').isExact).toBe(false);
});

it('reads megabytes of text, and text that is nothing but escapes', () => {
  const long = `{"a":"${'x'.repeat(5_000_000)}${String.raw`\u0000`}","b":"${String.raw`\ud83d\ude00`.repeat(200_000)}"}`;
  expect(storableJson(long).text).toBe(long.replace(String.raw`\u0000`, '\ufffd'));
});
