import fc from 'fast-check';
import { join, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseOutputName } from './output-name.js';

describe('parseOutputName', () => {
  it.each([
    ['clip.mp4', 'mp4'],
    ['shows/one/Clip.MKV', 'matroska'],
    ['a b.webm', 'webm'],
    ['stream.ts', 'mpegts'],
  ])('takes %s as %s', (name, muxer) => {
    expect(parseOutputName(name)).toMatchObject({ name, container: { muxer } });
  });

  it.each([
    '/a.mp4',
    '../a.mp4',
    'a/../b.mp4',
    './a.mp4',
    'a//b.mp4',
    '.a.mp4',
    'x/.attempts/a.mp4',
    'a\\b.mp4',
    '',
    'a',
    'a.exe',
    'a.constructor',
    `${'x'.repeat(256)}.mp4`,
  ])('refuses %j', (name) => {
    expect(() => parseOutputName(name)).toThrow(/parameters\.output/);
  });

  it('never lets a name leave the directory', () => {
    const part = fc.oneof(fc.constantFrom('..', '.', '', 'a', '...', '.b'), fc.string());
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), (parts) => {
        const name = `${parts.join('/')}.mp4`;
        try {
          parseOutputName(name);
        } catch {
          return;
        }
        expect(join('/out', name).startsWith(`/out${sep}`)).toBe(true);
      }),
    );
  });
});
