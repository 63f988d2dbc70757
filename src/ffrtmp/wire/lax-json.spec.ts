import { describe, expect, it } from 'vitest';
import { readBody } from './lax-json.js';

const SHAPE = {
  name: 'string',
  count: 'integer',
  share: 'number',
  on: 'boolean',
  parameters: 'object',
  list: 'strings',
  labels: 'texts',
} as const;

const read = (text: string) => readBody(text, SHAPE);

describe('a body, as Go reads it', () => {
  it.each<[string, string, object]>([
    [
      'every kind',
      '{"name":"a","count":3,"share":0.5,"on":true,"parameters":{"x":[1]},"list":["b"],"labels":{"k":"v"}}',
      { name: 'a', count: 3, share: 0.5, on: true, parameters: { x: [1] }, list: ['b'], labels: { k: 'v' } },
    ],
    ['unknown fields', '{"name":"a","strange":{"deep":[{}]}}', { name: 'a' }],
    ['names in any case', '{"NAME":"a","Count":1}', { name: 'a', count: 1 }],
    ['the last of two', '{"name":"a","name":"b"}', { name: 'b' }],
    ['null for a field', '{"name":null,"count":1}', { count: 1 }],
    ['null for all', 'null', {}],
    ['an empty object', ' { } ', {}],
    ['a second value', '{"name":"a"} {"name":"b"}', { name: 'a' }],
    [
      'rubbish behind it',
      '{"name":"}{\\"","parameters":{"x":{}}}garbage',
      { name: '}{"', parameters: { x: {} } },
    ],
    ['NUL in a text', '{"name":"a\\u0000b"}', { name: 'a\0b' }],
  ])('takes %s', (_, text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['blanks', '  \n'],
    ['a text', '"name"'],
    ['a number', '3'],
    ['a list', '[]'],
    ['an object that is not closed', '{"name":"a"'],
    ['a text that is not closed', '{"name":"a}'],
    ['a comma too many', '{"name":"a",}'],
    ['a number for a text', '{"name":3}'],
    ['a text for a number', '{"count":"3"}'],
    ['a fraction for an integer', '{"count":1.5}'],
    ['a text for a boolean', '{"on":"true"}'],
    ['a list for an object', '{"parameters":[]}'],
    ['a text for an object', '{"parameters":"x"}'],
    ['a number in a list of texts', '{"list":["a",1]}'],
    ['an object among labels', '{"labels":{"k":{}}}'],
    ['YAML', 'name: a'],
  ])('refuses %s', (_, text) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ status: 400, detail: 'Invalid request body' }),
    );
  });

  it('refuses no body at all', () => {
    expect(() => readBody(undefined, SHAPE)).toThrow('Invalid request body');
  });

  it('gives no field a prototype', () => {
    const { parameters } = read('{"parameters":{"__proto__":{"polluted":true}}}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(Object.keys(parameters ?? {})).toEqual(['__proto__']);
  });
});
