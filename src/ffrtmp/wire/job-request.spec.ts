import { describe, expect, it } from 'vitest';
import { readJobRequest } from './job-request.js';

const read = (body: unknown) => readJobRequest(JSON.stringify(body));

describe('a job as the old CLI submits it', () => {
  it('is taken with the defaults of before', () => {
    expect(read({ scenario: '4K60-h264' }).job).toEqual({
      scenario: '4K60-h264',
      parameters: {},
      queue: 'default',
      priority: 'medium',
      engine: 'auto',
      confidence: 'auto',
    });
  });

  it('keeps what it says', () => {
    const job = {
      scenario: 'a',
      confidence: 'high',
      engine: 'gstreamer',
      classification: 'benchmark',
      parameters: { duration: 60, anything: { goes: [1] } },
      queue: 'live',
      priority: 'low',
    };
    expect(read(job).job).toEqual(job);
  });

  it.each([
    ['no scenario', {}, { scenario: '' }],
    ['an empty engine', { engine: '' }, { engine: 'auto' }],
    ['a queue that is no name', { queue: 'a b' }, { queue: 'default' }],
    ['a queue of its own', { queue: 'night' }, { queue: 'night' }],
    ['an unknown priority', { priority: 'urgent' }, { priority: 'medium' }],
    ['an unknown confidence', { confidence: 'sure' }, { confidence: 'auto' }],
    [
      'NUL',
      { scenario: 'a\0b', parameters: { input: '\0' } },
      { scenario: 'a\ufffdb', parameters: { input: '\ufffd' } },
    ],
  ])('takes %s', (_, body, expected) => {
    expect(read(body).job).toMatchObject(expected);
  });

  it('refuses an engine that nobody has', () => {
    expect(() => read({ engine: 'vlc' })).toThrow(
      expect.objectContaining({
        status: 400,
        detail: "Invalid engine 'vlc'. Valid values: auto, ffmpeg, gstreamer",
      }),
    );
  });
});

describe('what it asks of a node', () => {
  it.each([
    ['nothing', {}, { encoders: ['libx264'] }],
    ['an encoder of a GPU', { codec: 'hevc_nvenc' }, { gpus: 1, encoders: ['hevc_nvenc'] }],
    ['an encoder that we do not know', { codec: 'mjpeg_qsv' }, { gpus: 1 }],
    ['a kind of device', { hwaccel: 'vaapi' }, { gpus: 1, encoders: ['h264_vaapi'] }],
    ['a device that we do not know', { hwaccel: 'd3d11va' }, { gpus: 1, encoders: ['libx264'] }],
    ['any device', { hwaccel: 'auto' }, { gpus: 1, encoders: ['libx264'] }],
    ['no device', { hwaccel: 'none' }, { encoders: ['libx264'] }],
    ['an empty device', { hwaccel: '' }, { encoders: ['libx264'] }],
    ['threads', { threads: 8 }, { encoders: ['libx264'], threads: 8 }],
    [
      'fields of the wrong kind',
      { codec: 5, hwaccel: true, threads: 'many', output: {} },
      { encoders: ['libx264'] },
    ],
  ])('%s', (_, parameters, expected) => {
    expect(read({ parameters }).requirement).toEqual(expected);
  });

  it('an engine, where it names one', () => {
    expect(read({ engine: 'gstreamer' }).requirement).toMatchObject({ engine: 'gstreamer' });
  });
});

describe('how long it may take', () => {
  it.each([
    [{ timeout_sec: 120 }, 420],
    [{ timeout_sec: 1e9 }, 604_800],
    [{ timeout_sec: 0 }, undefined],
    [{ timeout_sec: '120' }, undefined],
    [{ timeout_sec: 0.5 }, undefined],
    [{}, undefined],
    [null, undefined],
    ['120', undefined],
  ])('by %j: %s seconds', (resource_limits, expected) => {
    expect(read({ parameters: { resource_limits } }).job.timeout_seconds).toBe(expected);
  });
});
