import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Misuse } from '../failures.js';
import { readBatch, requirementsFrom, submissionFrom } from './submission.js';

const directory = mkdtempSync(join(tmpdir(), 'submission-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(content: string): string {
  const path = join(directory, `${Math.random()}.json`);
  writeFileSync(path, content);
  return path;
}

describe('a submission', () => {
  it('holds what was given, and nothing else', () => {
    expect(submissionFrom({ scenario: '720p-h264' })).toEqual({ scenario: '720p-h264' });
    expect(
      submissionFrom({
        scenario: 'x',
        input: '/in.mp4',
        to: 'out.mp4',
        crf: 20,
        audioCodec: 'aac',
        queue: 'live',
        timeout: '1m30s',
        maxRetries: 0,
        tag: ['a', 'b'],
        require: ['gpu', 'zone=eu'],
      }),
    ).toEqual({
      scenario: 'x',
      parameters: { input: '/in.mp4', output: 'out.mp4', crf: 20, audio_codec: 'aac' },
      queue: 'live',
      timeout_seconds: 90,
      max_retries: 0,
      tags: ['a', 'b'],
      requirements: { gpu: true, labels: { zone: 'eu' } },
    });
  });

  it('takes parameters as JSON or from a file, single flags above them', () => {
    const json = '{"codec":"hevc","crf":30}';
    expect(submissionFrom({ scenario: 'x', parameters: json, crf: 18 }).parameters).toEqual({
      codec: 'hevc',
      crf: 18,
    });
    expect(submissionFrom({ scenario: 'x', parameters: `@${file(json)}` }).parameters).toEqual({
      codec: 'hevc',
      crf: 30,
    });
  });

  it('says what is wrong', () => {
    expect(() => submissionFrom({})).toThrow(/--scenario/);
    expect(() => submissionFrom({ scenario: 'x', parameters: '{' })).toThrow(
      /--parameters is not valid JSON/,
    );
    expect(() => submissionFrom({ scenario: 'x', parameters: '[]' })).toThrow(/must be a JSON object/);
    expect(() => submissionFrom({ scenario: 'x', parameters: '@/none' })).toThrow(
      /cannot be read \(ENOENT\)/,
    );
    expect(() => submissionFrom({ scenario: 'x', timeout: 'soon' })).toThrow(Misuse);
  });
});

describe('requirements', () => {
  it('are devices, counts, encoders and labels', () => {
    expect(
      requirementsFrom(['gpu=true', 'gpus=2', 'threads=8', 'encoder=libx265', 'encoder=libx264', 'a=b=c']),
    ).toEqual({
      gpu: true,
      gpus: 2,
      threads: 8,
      encoders: ['libx265', 'libx264'],
      labels: { a: 'b=c' },
    });
  });

  it('refuses what it cannot read', () => {
    for (const wrong of ['gpu=maybe', 'gpus', 'threads=many', 'encoder', 'label', '=x', '']) {
      expect(() => requirementsFrom([wrong])).toThrow(Misuse);
    }
  });
});

describe('a batch', () => {
  it('is a list, or an object with one', async () => {
    expect(await readBatch(file('[{"scenario":"a"}]'))).toEqual([{ scenario: 'a' }]);
    expect(await readBatch(file('{"jobs":[{"scenario":"a"}]}'))).toEqual([{ scenario: 'a' }]);
  });

  it('is refused otherwise', async () => {
    for (const wrong of ['{}', '[]', 'null', '{"jobs":1}', 'x'])
      await expect(readBatch(file(wrong))).rejects.toThrow(Misuse);
  });
});
