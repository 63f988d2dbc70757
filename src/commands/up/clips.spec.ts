import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseOutputName } from '../../worker/output-name.js';
import { clipsOf, GENERATED_CLIP, inputRoots, outputName, submissionOf } from './clips.js';

let directory: string;
let out: string;

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'clips-')));
  out = join(directory, 'out');
  mkdirSync(out);
});
afterEach(() => rmSync(directory, { recursive: true }));

function touch(...parts: string[]): string {
  const path = join(directory, ...parts);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, '');
  return path;
}

describe('clips', () => {
  it('are absolute and real, and their results named after them', async () => {
    const real = touch('a', 'show.mkv');
    symlinkSync(real, join(directory, 'link.mkv'));
    expect(await clipsOf([join(directory, 'link.mkv')], out)).toEqual([
      { file: join(directory, 'link.mkv'), input: real, output: 'show.mp4' },
    ]);
  });

  it('never share a name, nor take that of a file which is there', async () => {
    touch('out', 'c.mp4');
    const files = [touch('a', 'b.mp4'), touch('b', 'b.mkv'), touch('c', 'b.mov'), touch('c.avi')];
    const outputs = (await clipsOf(files, out)).map(({ output }) => output);
    expect(outputs).toEqual(['b.mp4', 'b-2.mp4', 'b-3.mp4', 'c-2.mp4']);
  });

  it('may be missing, with or without their folder', async () => {
    const [first, second] = await clipsOf(
      [join(directory, 'no.mp4'), join(directory, 'none', 'no.mp4')],
      out,
    );
    expect(first?.input).toBe(join(directory, 'no.mp4'));
    expect(second?.input).toBe(join(directory, 'none', 'no.mp4'));
  });

  it('let workers read their folders, and no others', async () => {
    const clips = await clipsOf([touch('a', '1.mp4'), touch('a', '2.mp4'), touch('b', '3.mp4')], out);
    expect(inputRoots(clips)).toEqual([join(directory, 'a'), join(directory, 'b')]);
    expect(inputRoots([GENERATED_CLIP])).toEqual([]);
  });

  it('with control characters in their names are not submitted', async () => {
    const [clip] = await clipsOf([join(directory, 'a\nb.mp4')], out);
    expect(clip).toMatchObject({ output: 'a_b.mp4', complaint: expect.stringContaining('rename it') });
  });
});

describe('names of results', () => {
  it('are such as a worker takes', () => {
    const names = [
      '.hidden.mkv',
      '-y.mp4',
      'a\\b.mp4',
      '...',
      'no-extension',
      `${'ü'.repeat(200)}.mkv`,
      'x.tar.gz',
      '.mp4',
    ];
    for (const name of names) expect(() => parseOutputName(outputName(`/in/${name}`))).not.toThrow();
    expect(outputName('/in/.hidden.mkv')).toBe('hidden.mp4');
    expect(outputName('/in/x.tar.gz')).toBe('x.tar.mp4');
  });
});

it('jobs of `up` go to the workers of `up` alone', () => {
  expect(submissionOf(GENERATED_CLIP)).toMatchObject({
    requirements: { labels: { started_by: 'up' } },
    parameters: { output: 'welcome.mp4' },
  });
  expect(submissionOf({ file: 'a', input: '/a.mkv', output: 'a.mp4' }).parameters).toEqual({
    input: '/a.mkv',
    output: 'a.mp4',
    codec: 'h264',
  });
});
